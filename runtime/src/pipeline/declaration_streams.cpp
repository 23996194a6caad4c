#include "pipeline/declaration_streams.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tenon::internal {
namespace {

using Keys = std::vector<std::string>;

/// A FlatBuffer, and so an item, has less than 2 GiB.
constexpr std::uint64_t kMostBytes = (std::uint64_t{1} << 31) - (std::uint64_t{1} << 20);

/// A format as the file writes it.
template <typename Format>
struct FormatName {
  std::string_view name;
  Format format;
  char separator = ',';
};

constexpr std::array kInputFormats = std::to_array<FormatName<InputRule::Format>>({
    {"lines", InputRule::Format::kLines},
    {"jsonl", InputRule::Format::kJsonLines},
    {"csv", InputRule::Format::kCsv},
    {"tsv", InputRule::Format::kCsv, '\t'},
    {"blob", InputRule::Format::kBlob},
});

constexpr std::array kOutputFormats = std::to_array<FormatName<OutputRule::Format>>({
    {"jsonl", OutputRule::Format::kJsonLines},
    {"csv", OutputRule::Format::kCsv},
    {"tsv", OutputRule::Format::kCsv, '\t'},
    {"text", OutputRule::Format::kText},
});

class StreamReader {
 public:
  StreamReader(NodeDeclaration& node, TableReader& table, const Environment& environment, Reporter& reporter)
      : node_(node), table_(table), environment_(environment), reporter_(reporter) {}

  void read_input() {
    InputRule rule;
    read_format(kInputFormats, rule);
    const bool table = rule.format == InputRule::Format::kCsv;
    const bool blob = rule.format == InputRule::Format::kBlob;
    read_table(table, rule);
    for (Located<std::string>& name : read_texts("names", table, "csv")) {
      rule.names.push_back(std::move(name.value));
    }
    read_limit("max_row", !blob, "formats with rows", rule.max_row_bytes);
    read_limit("max_size", blob, "format \"blob\"", rule.max_size_bytes);
    node_.rule = std::move(rule);
  }

  void read_output() {
    OutputRule rule;
    read_format(kOutputFormats, rule);
    const bool table = rule.format == OutputRule::Format::kCsv;
    read_table(table, rule);
    for (const auto& [character, key] :
         {std::pair(rule.dialect.separator, "separator"), std::pair(rule.dialect.quote, "quote")}) {
      if (std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '.' || character == '-' ||
          character == '+') {
        table_.fail(table_.entry(key)->value.place,
                    std::string("'") + key + "' is '" + character + "', which occurs in numbers or words",
                    "choose another character");
      }
    }
    node_.columns = read_texts("columns", table, "csv");
    if (applies("template", rule.format == OutputRule::Format::kText, "format \"text\"")) {
      node_.text_template = table_.text("template");
    }
    node_.rule = std::move(rule);
  }

 private:
  template <typename Formats, typename Rule>
  void read_format(const Formats& formats, Rule& rule) {
    rule.dialect.separator = ',';
    const auto written = table_.text("format");
    if (!written) {
      return;
    }
    const auto found =
        std::find_if(formats.begin(), formats.end(), [&](const auto& one) { return one.name == written->value; });
    if (found == formats.end()) {
      Keys names;
      for (const auto& one : formats) {
        names.emplace_back(one.name);
      }
      table_.fail(written->place, "unknown format '" + written->value + "'",
                  suggest(written->value, names, "formats are " + list_names(names)));
      known_format_ = false;
      return;
    }
    rule.format = found->format;
    rule.dialect.separator = found->separator;
  }

  /// Returns whether a key is there; reports it if it does not apply.
  bool applies(const char* key, bool fits, const std::string& where) {
    const Entry* const entry = table_.entry(key);
    if (entry == nullptr) {
      return false;
    }
    if (!fits && known_format_) {
      table_.fail(entry->place, std::string("'") + key + "' does not apply here", "it belongs to " + where);
    }
    return fits;
  }

  template <typename Rule>
  void read_table(bool table, Rule& rule) {
    const std::string where = "formats \"csv\" and \"tsv\"";
    if (applies("separator", table, where)) {
      read_character("separator", rule.dialect.separator);
    }
    if (applies("quote", table, where)) {
      const auto quote = table_.text("quote");
      if (quote && quote->value == "none") {
        rule.dialect.quote = '\0';
      } else {
        read_character("quote", rule.dialect.quote);
      }
    }
    if (rule.dialect.separator == rule.dialect.quote) {
      const Entry* const quote = table_.entry("quote");
      table_.fail(quote != nullptr ? quote->place : table_.entry("separator")->place,
                  "'separator' and 'quote' are the same character", "change one of them");
    }
    if (applies("header", table, where)) {
      const std::optional<Value> header = table_.settled("header");
      if (header && header->kind == Value::Kind::kBool) {
        rule.header = header->boolean;
      } else if (header && header->from_environment && (header->text == "true" || header->text == "false")) {
        rule.header = header->text == "true";
      } else if (header) {
        table_.fail(header->place, "'header' is " + std::string(kind_name(header->kind)) + "; it takes true or false");
      }
    }
  }

  void read_character(const char* key, char& character) {
    const auto written = table_.text(key);
    if (!written) {
      return;
    }
    const bool good = written->value.size() == 1 && static_cast<unsigned char>(written->value[0]) < 0x80 &&
                      written->value != "\n" && written->value != "\r";
    if (!good) {
      table_.fail(written->place, std::string("'") + key + "' takes one ASCII character, as in \",\" or \"\\t\"");
      return;
    }
    character = written->value[0];
  }

  std::vector<Located<std::string>> read_texts(const char* key, bool fits, const std::string& format) {
    std::vector<Located<std::string>> texts;
    if (!applies(key, fits, "formats \"" + format + "\" and \"tsv\"")) {
      return texts;
    }
    const Value& list = table_.entry(key)->value;
    if (list.kind != Value::Kind::kArray || list.elements.empty() || list.elements.size() > kMaxNamesInList) {
      table_.fail(list.place,
                  std::string("'") + key + "' takes an array of 1 to " + std::to_string(kMaxNamesInList) + " names");
      return texts;
    }
    for (const Value& element : list.elements) {
      const std::optional<Value> value = environment_.settle(element, reporter_);
      if (!value || value->kind != Value::Kind::kString) {
        if (value) {
          table_.fail(value->place, "a name is " + std::string(kind_name(value->kind)) + "; it takes a string");
        }
        node_.broken = true;
        continue;
      }
      if (std::any_of(texts.begin(), texts.end(), [&](const auto& one) { return one.value == value->text; })) {
        table_.fail(value->place, "the name '" + value->text + "' appears twice");
        continue;
      }
      texts.push_back({value->text, value->place});
    }
    return texts;
  }

  void read_limit(const char* key, bool fits, const std::string& where, std::uint64_t& limit) {
    if (!applies(key, fits, where)) {
      return;
    }
    const auto size = table_.size(key);
    if (size && (size->value == 0 || size->value > kMostBytes)) {
      table_.fail(size->place, std::string("'") + key + "' takes 1B to 2047MiB");
    } else if (size) {
      limit = size->value;
    }
  }

  NodeDeclaration& node_;
  TableReader& table_;
  const Environment& environment_;
  Reporter& reporter_;
  bool known_format_ = true;
};

}  // namespace

const Keys& stream_keys_of(Section section) {
  static const Keys kInput = {"kind", "format", "separator", "quote", "header", "names", "max_row", "max_size"};
  static const Keys kOutput = {"kind",  "inputs", "format",    "template", "columns",
                               "quote", "header", "separator", "queue"};
  return section == Section::kSource ? kInput : kOutput;
}

bool uses_stream(const NodeDeclaration& node) noexcept {
  return std::holds_alternative<InputRule>(node.rule) || std::holds_alternative<OutputRule>(node.rule);
}

void read_stream(NodeDeclaration& node, TableReader& table, const Environment& environment, Reporter& reporter) {
  StreamReader reader(node, table, environment, reporter);
  if (node.section == Section::kSource) {
    reader.read_input();
  } else {
    reader.read_output();
  }
}

std::string stream_hint(const std::string& key) {
  return key == "task" || key == "args" || key == "params" ? "it runs no task; leave 'kind' out to run one" : "";
}

void check_streams(const PipelineDeclaration& declaration, bool available, Reporter& reporter) {
  const NodeDeclaration* input = nullptr;
  const NodeDeclaration* output = nullptr;
  for (const NodeDeclaration& node : declaration.nodes) {
    if (!uses_stream(node)) {
      continue;
    }
    const bool reads = node.section == Section::kSource;
    if (!available) {
      reporter.error(
          node.place,
          "'" + node.name + "' " + (reads ? "reads standard input" : "writes standard output") +
              ", which a pipeline does not have here",
          "run it with tenon run; a daemon and a program that embeds tenon have no such streams of their own");
      continue;
    }
    const NodeDeclaration*& first = reads ? input : output;
    if (first == nullptr) {
      first = &node;
      continue;
    }
    const std::size_t group = reporter.error(
        node.place, reads ? "only one source can read standard input" : "only one sink can write standard output",
        reads ? "name '" + first->name + "' as the input of several stages: each gets all its items"
              : "give '" + first->name + "' several inputs");
    reporter.note(group, first->place, "'" + first->name + "' " + (reads ? "reads" : "writes") + " it");
  }
}

}  // namespace tenon::internal
