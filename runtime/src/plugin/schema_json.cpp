// The JSON half of Schema, apart from the rest so that a worker, which speaks no JSON, does not carry it.
#include <tenon/schema.hpp>

#include <utility>

#include "plugin/schema_model.hpp"
#include "plugin/schema_operations.hpp"

namespace tenon {

Result<Buffer> Schema::from_json(std::string_view type, std::string_view json, JsonProblem* problem) const {
  JsonProblem parts;
  auto root = impl_->model.find_table(type);
  auto buffer = root ? internal::encode_json(impl_->model, **root, json, parts) : fail(root.error());
  if (problem != nullptr) {
    if (!buffer && parts.message.empty()) {
      parts.message = buffer.error().message;
    }
    *problem = std::move(parts);
  }
  return buffer;
}

Result<std::string> Schema::to_json(std::string_view type, BytesView buffer, const JsonOptions& options) const {
  auto root = impl_->model.find_table(type);
  if (!root) {
    return fail(std::move(root.error()));
  }
  if ((*root)->is_any) {
    return fail(ErrorCode::kInvalidArgument,
                "tenon.Any stands for any table, so its fields are not known; name the table that is really meant");
  }
  if (auto verified = internal::verify_buffer(impl_->model, **root, buffer); !verified) {
    return fail(std::move(verified.error()));
  }
  return internal::write_json(impl_->model, **root, buffer, options);
}

}  // namespace tenon
