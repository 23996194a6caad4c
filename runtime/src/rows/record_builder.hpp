/// Builds a tenon.Record field by field.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <tenon/types_generated.h>

namespace tenon::rows {

/// Builds one record after another, without an allocation per field. Not thread-safe.
class RecordBuilder {
 public:
  /// Starts a record in `builder`, which is used until finish().
  void start(flatbuffers::FlatBufferBuilder& builder) noexcept {
    builder_ = &builder;
    fields_.clear();
  }
  void null(std::string_view name) { add(name, tenon::Scalar::NullValue, tenon::CreateNullValue(*builder_).Union()); }
  void boolean(std::string_view name, bool value) {
    add(name, tenon::Scalar::BoolValue, tenon::CreateBoolValue(*builder_, value).Union());
  }
  void integer(std::string_view name, std::int64_t value) {
    add(name, tenon::Scalar::IntValue, tenon::CreateIntValue(*builder_, value).Union());
  }
  void number(std::string_view name, double value) {
    add(name, tenon::Scalar::FloatValue, tenon::CreateFloatValue(*builder_, value).Union());
  }
  void text(std::string_view name, std::string_view value) {
    const auto text = builder_->CreateString(value.data(), value.size());
    add(name, tenon::Scalar::TextValue, tenon::CreateTextValue(*builder_, text).Union());
  }
  [[nodiscard]] flatbuffers::Offset<tenon::Record> finish() {
    return tenon::CreateRecord(*builder_, builder_->CreateVector(fields_));
  }

 private:
  void add(std::string_view name, tenon::Scalar type, flatbuffers::Offset<void> value) {
    const auto name_offset = builder_->CreateString(name.data(), name.size());
    fields_.push_back(tenon::CreateRecordField(*builder_, name_offset, type, value));
  }
  flatbuffers::FlatBufferBuilder* builder_ = nullptr;
  std::vector<flatbuffers::Offset<tenon::RecordField>> fields_;
};

}  // namespace tenon::rows
