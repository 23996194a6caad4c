#include "tools/tenon/bytes_field.hpp"

#include <flatbuffers/flatbuffers.h>
#include <flatbuffers/reflection.h>

namespace tenon::cli {
namespace {

const reflection::Object* find_table(const Schema& schema, const std::string& type) {
  // The bytes were verified when the schema was read.
  const reflection::Schema* root = reflection::GetSchema(schema.binary().data());
  return root->objects()->LookupByKey(type.c_str());
}

bool holds_bytes(const reflection::Field& field) {
  // An index means that the elements are an enum; a vector of enums does not count as bytes.
  return field.type()->base_type() == reflection::Vector && field.type()->element() == reflection::UByte &&
         field.type()->index() < 0;
}

}  // namespace

std::optional<std::string> bytes_field(const Schema& schema, const std::string& type) {
  const reflection::Object* table = find_table(schema, type);
  if (table == nullptr || table->is_struct()) {
    return std::nullopt;
  }
  std::optional<std::string> found;
  unsigned count = 0;
  for (const reflection::Field* field : *table->fields()) {
    if (holds_bytes(*field) && !field->deprecated()) {
      ++count;
      if (field->name()->str() == "data") {
        return "data";
      }
      found = field->name()->str();
    }
  }
  return count == 1 ? found : std::nullopt;
}

BytesView read_bytes_field(const Schema& schema, const std::string& type, const std::string& field, BytesView buffer) {
  const reflection::Object* table = find_table(schema, type);
  const reflection::Field* known = table == nullptr ? nullptr : table->fields()->LookupByKey(field.c_str());
  if (known == nullptr || !holds_bytes(*known)) {
    return {};
  }
  const auto* root = flatbuffers::GetRoot<flatbuffers::Table>(buffer.data());
  const auto* bytes = root->GetPointer<const flatbuffers::Vector<std::uint8_t>*>(known->offset());
  return bytes == nullptr ? BytesView() : BytesView(bytes->data(), bytes->size());
}

}  // namespace tenon::cli
