#include <tenon/schema.hpp>

#include <utility>

#include "base/try.hpp"
#include "schema/schema_model.hpp"
#include "schema/schema_operations.hpp"

namespace tenon {

Result<Schema> Schema::from_binary(BytesView binary, std::string_view plugin) {
  // A copy has the alignment of the heap, whatever alignment the caller's bytes have.
  TENON_ASSIGN(auto model, internal::read_schema_model(Buffer(binary.begin(), binary.end()), plugin));
  return Schema(std::make_shared<const Impl>(std::move(model)));
}

void Schema::Impl::read_known() const {
  auto model = internal::read_schema_model(std::move(model_.binary), model_.plugin);
  // Bytes that were sound when they were inspected are sound now. Otherwise, the schema has no task
  // and no type.
  model_ = model ? std::move(*model) : internal::SchemaModel();
}

const std::vector<TaskInfo>& Schema::tasks() const noexcept {
  return impl_->model().tasks;
}

const TaskInfo* Schema::find_task(std::string_view method) const noexcept {
  for (const TaskInfo& task : impl_->model().tasks) {
    if (task.name == method) {
      return &task;
    }
  }
  return nullptr;
}

const std::string& Schema::settings_type() const noexcept {
  return impl_->model().settings_type;
}

BytesView Schema::binary() const noexcept {
  return impl_->model().binary;
}

Result<void> Schema::verify(std::string_view type, BytesView buffer) const {
  if (type == internal::kAnyTypeName) {
    return {};
  }
  TENON_ASSIGN(auto root, impl_->model().find_table(type));
  return internal::verify_buffer(impl_->model(), *root, buffer);
}

}  // namespace tenon
