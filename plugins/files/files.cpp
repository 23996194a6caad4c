#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <tenon/plugin.hpp>

#include "common/content.hpp"
#include "common/file_name.hpp"
#include "common/utf8.hpp"
#include "files/collection.hpp"
#include "files/digest.hpp"
#include "files/duplicate_finder.hpp"
#include "files/json.hpp"
#include "files/report.hpp"
#include "files/walk.hpp"
#include "files/write.hpp"
#include "files_generated.h"

namespace {

using tenon::plugins::Content;
using tenon::plugins::view;

tenon::plugins::Poll poll_of(const tenon::Call& call) {
  return [&call] { call.check(); };
}

/// The argument's description of its file, without the content.
tenon::FileT describe_argument(const tenon::File& file) {
  tenon::FileT description;
  description.path = view(file.path());
  description.relative_path = view(file.relative_path());
  description.size_bytes = file.size_bytes();
  description.mtime_ns = file.mtime_ns();
  description.mode = file.mode();
  description.kind = file.kind();
  description.extension = file.extension() == nullptr ? tenon::plugins::extension_of(description.path)
                                                      : std::string(view(file.extension()));
  return description;
}

tenon::Source<tenon::File> walk(tenon::SourceContext& s, const files::WalkArguments& arguments) {
  auto& position = s.state<files::WalkPositionT>();
  const auto poll = poll_of(s);
  const auto warn = [&s](const std::string& message) { s.log(TENON_LOG_WARNING, message); };
  files::TreeWalk tree(files::WalkOptions::from(arguments), position, warn, poll);
  for (;;) {
    switch (tree.next(poll)) {
      case files::TreeWalk::Step::kEntry:
        co_yield tenon::File::Pack(s.builder(512), &tree.entry());
        break;
      case files::TreeWalk::Step::kYet:
        co_await s.pause();
        break;
      case files::TreeWalk::Step::kDone:
        if (position.unreadable != 0) {
          s.log(TENON_LOG_WARNING, std::to_string(position.unreadable) + " directories or entries below " +
                                       tenon::plugins::quote(view(arguments.root())) + " could not be read");
        }
        co_return;
    }
  }
}

tenon::Offset<tenon::File> read_content(tenon::Call& call, const tenon::File& argument,
                                        const files::ReadParams& params) {
  Content content(argument);
  const auto poll = poll_of(call);
  // A block of transport memory holds less than 2 GiB, including the table around the content.
  constexpr std::uint64_t kLargest = 0x7FF00000;
  const std::string data = read_all(content, std::min(params.max_size_bytes(), kLargest), poll);
  auto file = describe_argument(argument);
  if (content.is_file()) {
    tenon::plugins::describe(content.status(), file);
  }
  file.size_bytes = data.size();
  auto& builder = call.builder(data.size() + 1024);
  const auto content_offset = builder.CreateVector(reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  const auto path = builder.CreateString(file.path);
  const auto relative_path = builder.CreateString(file.relative_path);
  const auto extension = builder.CreateString(file.extension);
  return tenon::CreateFile(builder, path, relative_path, file.size_bytes, file.mtime_ns, file.mode, file.kind,
                           extension, content_offset);
}

tenon::Offset<tenon::Digest> digest(tenon::Call& call, const tenon::File& argument, const files::DigestParams& params) {
  Content content(argument);
  const auto found =
      call.state<files::Digester>().digest(content, params.algorithm(), params.detect_changes(), poll_of(call));
  auto file = describe_argument(argument);
  if (content.is_file()) {
    tenon::plugins::describe(content.status(), file);
  }
  file.size_bytes = found.size_bytes;
  auto& builder = call.builder(1024);
  const auto file_offset = tenon::File::Pack(builder, &file);
  const auto algorithm = builder.CreateString(files::EnumNameAlgorithm(params.algorithm()));
  const auto value = builder.CreateVector(found.value.bytes().data(), found.value.bytes().size());
  const auto hex = builder.CreateString(files::to_hex(found.value.bytes()));
  return tenon::CreateDigest(builder, file_offset, algorithm, value, hex);
}

tenon::FileT write_content(tenon::Call& call, const tenon::File& argument, const files::WriteParams& params) {
  if (argument.data() == nullptr) {
    call.fail(TENON_INVALID_ARGUMENT, tenon::plugins::quote(view(argument.path())) +
                                          ": has no content to write; put files.read before files.write");
  }
  files::WriteRequest request;
  request.directory = view(params.directory());
  request.relative_path = files::destination_of(view(argument.path()), view(argument.relative_path()));
  request.data = {argument.data()->data(), argument.data()->size()};
  request.mode = params.mode() != 0 ? params.mode() : argument.mode() != 0 ? argument.mode() & 0777 : 0644;
  request.existing = params.existing();
  request.sync = params.sync();
  request.repeated = call.attempt() > 1;
  return files::write_file(request, poll_of(call));
}

tenon::Reduce<files::Inventory> inventory(tenon::ReduceContext<tenon::Digest>& s,
                                          const files::InventoryParams& params) {
  auto& collection = s.state<files::DigestCollection>();
  while (const tenon::Digest* digest = co_await s.next()) {
    collection.add(*digest, params.max_files());
  }
  const auto title = view(params.title());
  const std::size_t size_bytes = collection.packed_bytes();
  const auto inventory = collection.take_inventory(title.empty() ? "Inventory" : std::string(title), params.largest());
  co_return files::Inventory::Pack(s.builder(size_bytes), &inventory);
}

tenon::Reduce<files::Duplicates> duplicates(tenon::ReduceContext<tenon::Digest>& s,
                                            const files::DuplicatesParams& params) {
  auto& collection = s.state<files::DigestCollection>();
  while (const tenon::Digest* digest = co_await s.next()) {
    collection.add(*digest, params.max_files());
  }
  co_return collection.take_duplicates(params.min_size_bytes());
}

tenon::Reduce<files::Duplicates> find_duplicates(tenon::ReduceContext<tenon::File>& s,
                                                 const files::FindDuplicatesParams& params) {
  auto& finder = s.state<files::DuplicateFinder>();
  files::DuplicateFinder::Options options;
  options.algorithm = params.algorithm();
  options.min_size_bytes = params.min_size_bytes();
  options.max_files = params.max_files();
  options.warn = [&s](const std::string& message) { s.log(TENON_LOG_WARNING, message); };
  options.poll = poll_of(s);
  while (const tenon::File* file = co_await s.next()) {
    finder.add(*file, options);
  }
  auto duplicates = finder.take(options);
  if (finder.unreadable() != 0) {
    s.log(TENON_LOG_WARNING, std::to_string(finder.unreadable()) + " files could not be read and were left out");
  }
  co_return duplicates;
}

/// Builds a tenon.File with its content in the item; there is no such file on disk.
tenon::Offset<tenon::File> made_file(tenon::Call& call, std::string_view name, const std::string& data) {
  auto& builder = call.builder(data.size() + 512);
  const auto content = builder.CreateVector(reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  const auto path = builder.CreateString(name.data(), name.size());
  const auto extension = builder.CreateString(tenon::plugins::extension_of(name));
  tenon::FileBuilder file(builder);
  file.add_data(content);
  file.add_path(path);
  file.add_relative_path(path);
  file.add_extension(extension);
  file.add_size_bytes(data.size());
  file.add_mode(0644);
  return file.Finish();
}

std::string_view name_or(const flatbuffers::String* name, std::string_view otherwise) {
  return view(name).empty() ? otherwise : view(name);
}

tenon::Offset<tenon::File> inventory_json(tenon::Call& call, const files::Inventory& argument,
                                          const files::JsonParams& params) {
  return made_file(call, name_or(params.name(), "inventory.json"),
                   files::inventory_to_json(argument, params.files(), poll_of(call)));
}

tenon::Offset<tenon::File> duplicates_json(tenon::Call& call, const files::Duplicates& argument,
                                           const files::JsonParams& params) {
  return made_file(call, name_or(params.name(), "duplicates.json"), files::duplicates_to_json(argument, poll_of(call)));
}

tenon::Offset<tenon::File> report(tenon::Call& call, const files::Inventory& argument,
                                  const files::ReportParams& params) {
  const std::int64_t now_s =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  return made_file(call, name_or(params.name(), "inventory.html"),
                   files::inventory_to_html(argument, params.max_groups(), params.made_s().value_or(now_s)));
}

}  // namespace

TENON_PLUGIN(files) {
  plugin.state<files::Digester>();
  plugin.task<walk>("walk");
  plugin.task<read_content>("read");
  plugin.task<digest>("digest");
  plugin.task<write_content>("write");
  plugin.task<inventory>("inventory");
  plugin.task<duplicates>("duplicates");
  plugin.task<find_duplicates>("find_duplicates");
  plugin.task<inventory_json>("inventory_json");
  plugin.task<duplicates_json>("duplicates_json");
  plugin.task<report>("report");
}
