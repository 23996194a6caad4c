#include "pipeline/record_maker.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <tenon/types_generated.h>

#include "host/storage.hpp"
#include "pipeline/item_field.hpp"

namespace tenon::internal {
namespace {

/// A record with more text is refused: a FlatBuffer has at most 2 GiB.
constexpr std::uint64_t kMostTextBytes = std::uint64_t{1} << 30;

using Written = std::pair<Scalar, flatbuffers::Offset<void>>;

class ValueWriter {
 public:
  explicit ValueWriter(flatbuffers::FlatBufferBuilder& builder) : builder_(builder) {}

  Written operator()(std::monostate) { return {Scalar::NullValue, CreateNullValue(builder_).Union()}; }
  Written operator()(bool value) { return {Scalar::BoolValue, CreateBoolValue(builder_, value).Union()}; }
  Written operator()(std::int64_t value) { return {Scalar::IntValue, CreateIntValue(builder_, value).Union()}; }
  Written operator()(double value) { return {Scalar::FloatValue, CreateFloatValue(builder_, value).Union()}; }
  Written operator()(std::string_view value) {
    const auto text = builder_.CreateString(value.data(), value.size());
    return {Scalar::TextValue, CreateTextValue(builder_, text).Union()};
  }

  Written operator()(const std::string& value) { return (*this)(std::string_view(value)); }

  Written write(const FieldShape& shape, const FieldValue& value) {
    switch (shape.kind) {
      case FieldKind::kBool:
        return (*this)(value.integer != 0);
      case FieldKind::kInteger:
        return (*this)(value.integer);
      case FieldKind::kNatural:
        // A record has no uint64; the digits keep the value.
        return value.integer >= 0
                   ? (*this)(value.integer)
                   : (*this)(std::string_view(std::to_string(static_cast<std::uint64_t>(value.integer))));
      case FieldKind::kReal:
        return (*this)(value.real);
      case FieldKind::kText:
        return (*this)(value.text);
      case FieldKind::kEnum: {
        const auto name = std::find_if(shape.names.begin(), shape.names.end(),
                                       [&](const auto& known) { return known.second == value.integer; });
        return name != shape.names.end() ? (*this)(std::string_view(name->first))
                                         : (*this)(std::string_view(std::to_string(value.integer)));
      }
      case FieldKind::kOther:
        break;
    }
    return (*this)(std::monostate());
  }

 private:
  flatbuffers::FlatBufferBuilder& builder_;
};

}  // namespace

RecordMaker::RecordMaker(const ProjectRule& rule) : rule_(rule) {}

Result<Reply> RecordMaker::make(const Item& item) {
  builder_.Clear();
  ValueWriter writer(builder_);
  fields_.clear();
  std::uint64_t text_bytes = 0;
  for (const ProjectRule::Field& field : rule_.fields) {
    FieldValue value;
    if (!field.source->read(item, value)) {
      return fail(ErrorCode::kCorrupt, "the field for '" + field.name + "' is not valid");
    }
    text_bytes += value.text.size();
    if (text_bytes > kMostTextBytes) {
      return fail(ErrorCode::kTooLarge, "the record would have more than 1 GiB of text");
    }
    const auto name = builder_.CreateString(field.name);
    const auto [type, scalar] =
        value.present ? writer.write(field.source->shape(), value) : std::visit(writer, field.otherwise);
    fields_.push_back(CreateRecordField(builder_, name, type, scalar));
  }
  builder_.Finish(CreateRecord(builder_, builder_.CreateVector(fields_)));
  StoredBytes stored = copy_to_host(BytesView(builder_.GetBufferPointer(), builder_.GetSize()));
  return Reply(std::move(stored.storage), stored.bytes);
}

}  // namespace tenon::internal
