#include "jsonl/object_writer.hpp"

#include <cmath>
#include <unordered_map>
#include <utility>

#include "common/file_name.hpp"
#include "common/utf8.hpp"
#include "rows/json_text.hpp"

namespace jsonl {
namespace {

using tenon::plugins::OutputExisting;
using tenon::plugins::quote;
using tenon::plugins::view;
using tenon::rows::append_json_string;

/// Readers do not accept deeper objects.
constexpr unsigned kMaxDepth = 64;

OutputExisting existing_of(Existing existing) {
  return existing == Existing::append   ? OutputExisting::kAppend
         : existing == Existing::refuse ? OutputExisting::kRefuse
                                        : OutputExisting::kReplace;
}

}  // namespace

void ObjectWriter::open(const tenon::Call& call, const WriteParams& params) {
  call_ = &call;
  params_ = &params;
  poll_ = [&call] { call.check(); };
  tenon::plugins::OutputOptions options;
  options.path = view(params.path());
  options.existing = existing_of(params.existing());
  options.mode = params.mode();
  options.sync = params.sync();
  output_ = std::make_unique<tenon::plugins::RowOutput>(std::move(options));
  const auto position = tenon::plugins::position_of(*state_);
  if (position.inode == 0 || !output_->resume(position)) {
    *state_ = {};
    output_->start(poll_);
  }
}

void ObjectWriter::add(const tenon::Record& record, std::uint64_t item) {
  std::string& out = output_->text();
  const std::size_t start = out.size();
  const std::string why = append(record);
  if (why.empty()) {
    out += '\n';
    output_->end_row(poll_);
    return;
  }
  out.resize(start);
  tenon::plugins::BrokenItems(*call_, output_->path(), params_->skip_broken(), state_->broken).add(item, why);
}

std::string ObjectWriter::append(const tenon::Record& record) {
  std::vector<Field> fields;
  if (record.fields() != nullptr) {
    fields.reserve(record.fields()->size());
    for (const tenon::RecordField* field : *record.fields()) {
      fields.push_back({view(field->name()), field});
    }
  }
  return params_->nested() ? append_nested(fields, 1) : append_flat(fields);
}

std::string ObjectWriter::append_flat(std::span<const Field> fields) {
  std::string& out = output_->text();
  out += '{';
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i != 0) {
      out += ',';
    }
    append_json_string(out, fields[i].name);
    out += ':';
    if (std::string why = append_value(*fields[i].value); !why.empty()) {
      return why;
    }
  }
  out += '}';
  return {};
}

std::string ObjectWriter::append_nested(std::span<const Field> fields, unsigned depth) {
  if (depth > kMaxDepth) {
    return "the field " + quote(view(fields.front().value->name())) + " is nested more than " +
           std::to_string(kMaxDepth) + " levels deep; set `nested` to false, or rename it";
  }
  std::string& out = output_->text();
  // The members in the order of their first field, and where each name stands among them.
  struct Member {
    std::string_view key;
    std::vector<Field> inner;
    const tenon::RecordField* value;
  };
  std::vector<Member> members;
  std::unordered_map<std::string_view, std::size_t> places;
  members.reserve(fields.size());
  places.reserve(fields.size());
  for (const Field& field : fields) {
    const std::size_t dot = field.name.find('.');
    const std::string_view key = field.name.substr(0, dot);
    const bool is_inner = dot != std::string_view::npos;
    const auto [place, is_new] = places.emplace(key, members.size());
    if (is_new) {
      members.push_back({key, {}, is_inner ? nullptr : field.value});
    } else if (!is_inner || members[place->second].value != nullptr) {
      const auto name = quote(view(field.value->name()));
      return "has the field " + name +
             (is_inner || members[place->second].value == nullptr
                  ? ", which is an object and a value at once; rename one of its fields, or set `nested` to false"
                  : " twice; rename one of them");
    }
    if (is_inner) {
      members[place->second].inner.push_back({field.name.substr(dot + 1), field.value});
    }
  }
  out += '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i != 0) {
      out += ',';
    }
    append_json_string(out, members[i].key);
    out += ':';
    const std::string why =
        members[i].value == nullptr ? append_nested(members[i].inner, depth + 1) : append_value(*members[i].value);
    if (!why.empty()) {
      return why;
    }
  }
  out += '}';
  return {};
}

std::string ObjectWriter::append_value(const tenon::RecordField& field) {
  std::string& out = output_->text();
  const auto* number = field.value_as_FloatValue();
  if (number == nullptr) {
    tenon::rows::append_json_value(out, field);
    return {};
  }
  if (!std::isfinite(number->value()) && !params_->null_for_not_finite()) {
    return "the field " + quote(view(field.name())) +
           " is infinite or not a number, which JSON cannot express; set `null_for_not_finite` to write null";
  }
  if (std::isfinite(number->value())) {
    tenon::rows::append_json_fraction(out, number->value());
  } else {
    out += "null";
  }
  return {};
}

tenon::FileT ObjectWriter::finish() {
  tenon::plugins::BrokenItems(*call_, output_->path(), params_->skip_broken(), state_->broken).finish();
  return output_->finish(poll_);
}

std::vector<std::uint8_t> ObjectWriter::save() const {
  if (output_ != nullptr) {
    tenon::plugins::save_position(output_->position(), *state_);
  }
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(WritePosition::Pack(builder, state_.get()));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

ObjectWriter ObjectWriter::load(std::span<const std::uint8_t> bytes) {
  ObjectWriter writer;
  tenon::internal::verified_root<WritePosition>(bytes, "checkpoint").UnPackTo(writer.state_.get());
  return writer;
}

}  // namespace jsonl
