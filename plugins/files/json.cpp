#include "files/json.hpp"

#include <sodium.h>

#include <vector>

#include "common/file_name.hpp"
#include "common/utf8.hpp"
#include "rows/json_text.hpp"

namespace files {
namespace {

using tenon::plugins::Poll;
using tenon::plugins::view;
using tenon::rows::json_string;

std::string base64(std::string_view bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();
  return text;
}

/// Writes one JSON document. Call it for values, and for names inside objects, in document order.
class Writer {
 public:
  void open(char bracket) {
    comma();
    out_ += bracket;
    first_ = true;
    ++depth_;
  }
  void close(char bracket) {
    --depth_;
    if (!first_) {
      line();
    }
    out_ += bracket;
    first_ = false;
  }
  Writer& name(std::string_view name) {
    comma();
    out_ += json_string(name) + ": ";
    named_ = true;
    return *this;
  }
  void text(std::string_view value) {
    comma();
    out_ += json_string(value);
  }
  template <typename Integer>
  void number(Integer value) {
    comma();
    out_ += std::to_string(value);
  }
  [[nodiscard]] std::string take() { return std::move(out_) + "\n"; }

 private:
  void line() {
    out_ += '\n';
    out_.append(depth_ * 2, ' ');
  }
  void comma() {
    if (named_) {
      named_ = false;
      return;
    }
    if (!first_) {
      out_ += ',';
    }
    if (depth_ != 0) {
      line();
    }
    first_ = false;
  }
  std::string out_;
  std::size_t depth_ = 0;
  bool first_ = true;
  bool named_ = false;
};

void write_path(Writer& json, std::string_view name, std::string_view path) {
  json.name(name).text(path);
  if (!tenon::plugins::is_utf8(path)) {
    json.name(std::string(name) + "_base64").text(base64(path));
  }
}

void write_entry(Writer& json, const Entry& entry, std::string_view algorithm) {
  json.open('{');
  write_path(json, "path", view(entry.path()));
  write_path(json, "relative_path", view(entry.relative_path()));
  json.name("size_bytes").number(entry.size_bytes());
  json.name("mtime_ns").number(entry.mtime_ns());
  json.name("extension").text(view(entry.extension()));
  json.name(algorithm).text(view(entry.digest()));
  json.close('}');
}

void write_duplicates(Writer& json, const Duplicates& duplicates, const Poll& poll) {
  const auto algorithm = view(duplicates.algorithm());
  json.open('{');
  json.name("algorithm").text(algorithm);
  json.name("total_files").number(duplicates.total_files());
  json.name("wasted_bytes").number(duplicates.wasted_bytes());
  json.name("groups").open('[');
  for (const DuplicateGroup* group : *duplicates.groups()) {
    poll();
    json.open('{');
    json.name(algorithm).text(view(group->digest()));
    json.name("size_bytes").number(group->size_bytes());
    json.name("wasted_bytes").number(group->wasted_bytes());
    json.name("files").open('[');
    for (const auto* path : *group->paths()) {
      json.open('{');
      write_path(json, "path", view(path));
      json.close('}');
    }
    json.close(']');
    json.close('}');
  }
  json.close(']');
  json.close('}');
}

}  // namespace

std::string inventory_to_json(const Inventory& inventory, bool list_files, const Poll& poll) {
  const auto algorithm = view(inventory.algorithm());
  Writer json;
  json.open('{');
  json.name("title").text(view(inventory.title()));
  json.name("algorithm").text(algorithm);
  json.name("total_files").number(inventory.total_files());
  json.name("size_bytes").number(inventory.size_bytes());
  json.name("extensions").open('[');
  for (const ExtensionTotal* total : *inventory.extensions()) {
    json.open('{');
    json.name("extension").text(view(total->extension()));
    json.name("files").number(total->files());
    json.name("size_bytes").number(total->size_bytes());
    json.close('}');
  }
  json.close(']');
  json.name("sizes").open('[');
  for (const SizeRange* range : *inventory.sizes()) {
    json.open('{');
    json.name("from_bytes").number(range->from_bytes());
    json.name("below_bytes").number(range->below_bytes());
    json.name("files").number(range->files());
    json.name("size_bytes").number(range->size_bytes());
    json.close('}');
  }
  json.close(']');
  json.name("largest").open('[');
  for (const Entry* entry : *inventory.largest()) {
    write_entry(json, *entry, algorithm);
  }
  json.close(']');
  json.name("duplicates");
  write_duplicates(json, *inventory.duplicates(), poll);
  if (list_files) {
    json.name("files").open('[');
    for (const Entry* entry : *inventory.files()) {
      poll();
      write_entry(json, *entry, algorithm);
    }
    json.close(']');
  }
  json.close('}');
  return json.take();
}

std::string duplicates_to_json(const Duplicates& duplicates, const Poll& poll) {
  Writer json;
  write_duplicates(json, duplicates, poll);
  return json.take();
}

}  // namespace files
