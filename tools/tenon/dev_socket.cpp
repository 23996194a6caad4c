#include "tools/tenon/dev_socket.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/try.hpp"
#include "platform/unix_socket.hpp"
#include "tools/tenon/version.hpp"

namespace tenon::cli {
namespace {

std::string example_argument(const Schema& schema, const std::string& type) {
  nlohmann::ordered_json argument = nlohmann::ordered_json::object();
  const auto table = schema.find_type(type);
  if (!table) {
    return argument.dump();
  }
  for (const FieldInfo& field : table->fields) {
    // Other fields have defaults, or the author fills them in.
    if (field.type == "string" && !field.deprecated && (field.required || argument.empty())) {
      argument[field.name] = field.name == "path" ? "FILE" : "TEXT";
    }
  }
  return argument.dump();
}

}  // namespace

std::string in_shell(const std::string& word) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-+,:@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
    return word;
  }
  std::string quoted = "'";
  for (const char character : word) {
    quoted += character == '\'' ? std::string("'\\''") : std::string(1, character);
  }
  return quoted + "'";
}

Result<std::unique_ptr<DevSocket>> DevSocket::open(const std::filesystem::path& path, internal::RuntimeSystem& system) {
  TENON_ASSIGN(auto listener, internal::UnixListener::listen(path));
  internal::ServerOptions options;
  options.release = kVersion;
  TENON_ASSIGN(auto server, internal::Server::create(std::move(listener), nullptr, system, std::move(options)));
  std::unique_ptr<DevSocket> socket(new DevSocket(std::move(server)));
  auto thread = internal::Thread::start("tenon-dev-sock", [&served = *socket] {
    static_cast<void>(served.server_->run());
    // Release: a thread that reads true also sees that the server has ended.
    served.ended_.store(true, std::memory_order_release);
  });
  if (!thread) {
    return fail(std::move(thread.error()));
  }
  socket->thread_ = std::move(*thread);
  return socket;
}

DevSocket::~DevSocket() {
  // A third stop does not wait for any client.
  for (int stop = 0; stop < 3; ++stop) {
    server_->stop(true);
  }
  thread_.join();
}

std::string example_call(const PluginInfo& plugin, const std::filesystem::path& socket) {
  if (!plugin.usable() || plugin.schema->tasks().empty()) {
    return {};
  }
  const auto& tasks = plugin.schema->tasks();
  const auto plain =
      std::find_if(tasks.begin(), tasks.end(), [](const TaskInfo& task) { return task.kind == TaskKind::kPlain; });
  const TaskInfo& task = plain == tasks.end() ? tasks.front() : *plain;
  return "tenon call " + task.full_name + ' ' + in_shell(example_argument(*plugin.schema, task.argument_type)) +
         " --socket " + in_shell(socket.string());
}

}  // namespace tenon::cli
