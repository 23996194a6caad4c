#include "pipeline/row_output.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <variant>

#include "base/text.hpp"
#include "base/try.hpp"
#include "rows/csv_text.hpp"
#include "rows/json_text.hpp"

namespace tenon::internal {
namespace {

constexpr std::string_view kIndex = "@index";
/// The longest line of JSON.
constexpr std::size_t kMostJsonBytes = std::size_t{64} << 20;

std::string_view view(const flatbuffers::String* text) {
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

/// A text shows a value as it is, without quotes.
void append_plain(std::string& out, const tenon::RecordField& field) {
  switch (field.value() == nullptr ? tenon::Scalar::NullValue : field.value_type()) {
    case tenon::Scalar::TextValue:
      out += view(field.value_as_TextValue()->value());
      break;
    case tenon::Scalar::NullValue:
      break;
    case tenon::Scalar::FloatValue: {
      const double value = field.value_as_FloatValue()->value();
      if (std::isfinite(value)) {
        rows::append_json_number(out, value);
      } else {
        out += std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
      }
      break;
    }
    default:
      rows::append_json_value(out, field);
  }
}

}  // namespace

RowOutput::RowOutput(const PlanNode& plan, const Catalog& catalog)
    : plan_(plan), rule_(std::get<OutputRule>(plan.rule)), catalog_(catalog) {
  if (rule_.projection) {
    projection_.emplace(*rule_.projection);
  }
  if (!rule_.columns.empty()) {
    problem_ = name_columns(rule_.columns);
  }
}

std::string RowOutput::name_columns(std::vector<std::string> names) {
  std::string header;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) {
      header += rule_.dialect.separator;
    }
    if (const std::string why = rows::append_csv_name(header, names[i], rule_.dialect); !why.empty()) {
      return "the name of the column '" + printable(names[i], 100) + "' " + why;
    }
  }
  header_ = rule_.header ? header + '\n' : std::string();
  names_ = std::move(names);
  for (std::size_t i = 0; i < names_.size(); ++i) {
    places_.emplace(names_[i], i);
  }
  row_.resize(names_.size());
  return {};
}

Result<void> RowOutput::append(const Item& item, std::string& out) {
  const std::size_t start = out.size();
  Result<void> appended = append_item(item, out);
  if (!appended) {
    out.resize(start);
  } else {
    out += '\n';
  }
  return appended;
}

Result<void> RowOutput::append_item(const Item& item, std::string& out) {
  const bool records = plan_.input_type.name == "tenon.Record";
  if (!records && !projection_) {
    // The version that made the item knows all of its fields.
    const PluginInfo* maker = item.reply.plugin();
    const std::shared_ptr<const PluginInfo> known = catalog_.find_plugin(plan_.input_type.plugin);
    if (maker == nullptr || !maker->schema || maker->name != plan_.input_type.plugin) {
      maker = known.get();
    }
    if (maker == nullptr || !maker->schema) {
      return fail(ErrorCode::kNotFound, "there is no usable plugin '" + plan_.input_type.plugin + "'");
    }
    TENON_ASSIGN(std::string text,
                 maker->schema->to_json(plan_.input_type.name, item.reply.bytes(),
                                        {.indent = -1, .defaults = true, .max_bytes = kMostJsonBytes}));
    while (text.ends_with('\n')) {
      text.pop_back();
    }
    out += text;
    return {};
  }
  Reply made = item.reply;
  if (projection_) {
    TENON_ASSIGN(made, projection_->make(item));
  }
  TENON_ASSIGN(const auto record, TypedReply<tenon::Record>::verify(std::move(made)));
  const std::uint64_t index = item.index + 1;
  const std::string why = rule_.format == OutputRule::Format::kJsonLines ? append_object(*record, out)
                          : rule_.format == OutputRule::Format::kCsv     ? append_row(*record, index, out)
                                                                         : append_text(*record, index, out);
  if (!why.empty()) {
    return fail(ErrorCode::kInvalidArgument, why);
  }
  return {};
}

std::string RowOutput::append_object(const tenon::Record& record, std::string& out) const {
  out += '{';
  bool first = true;
  if (record.fields() != nullptr) {
    for (const tenon::RecordField* const field : *record.fields()) {
      out += first ? "" : ",";
      first = false;
      rows::append_json_string(out, view(field->name()));
      out += ':';
      const auto* const number = field->value_as_FloatValue();
      if (number == nullptr) {
        rows::append_json_value(out, *field);
      } else if (std::isfinite(number->value())) {
        rows::append_json_fraction(out, number->value());
      } else {
        return "the field '" + printable(view(field->name()), 100) +
               "' is infinite or not a number, which JSON cannot express; write another format, or leave it out";
      }
    }
  }
  out += '}';
  return {};
}

std::string RowOutput::append_row(const tenon::Record& record, std::uint64_t index, std::string& out) {
  if (!problem_.empty()) {
    return problem_;
  }
  if (names_.empty()) {
    std::vector<std::string> names;
    if (record.fields() != nullptr) {
      for (const tenon::RecordField* const field : *record.fields()) {
        names.emplace_back(view(field->name()));
      }
    }
    if (names.empty()) {
      return "the first record has no fields, so the columns have no names; set 'columns'";
    }
    if (std::string why = name_columns(std::move(names)); !why.empty()) {
      return why;
    }
  }
  std::fill(row_.begin(), row_.end(), nullptr);
  std::size_t next = 0;  // Most records have their fields in the order of the columns.
  if (record.fields() != nullptr) {
    for (const tenon::RecordField* const field : *record.fields()) {
      const std::string_view name = view(field->name());
      if (next >= row_.size() || names_[next] != name) {
        const auto place = places_.find(name);
        if (place == places_.end() && !rule_.columns.empty()) {
          continue;
        }
        if (place == places_.end()) {
          return "has the field '" + printable(name, 100) + "', which the first record does not have; set 'columns'";
        }
        next = place->second;
      }
      if (row_[next] != nullptr) {
        return "has the field '" + printable(name, 100) + "' twice";
      }
      row_[next++] = field;
    }
  }
  const std::size_t start = out.size();
  for (std::size_t i = 0; i < row_.size(); ++i) {
    if (i > 0) {
      out += rule_.dialect.separator;
    }
    if (row_[i] == nullptr && names_[i] == kIndex) {
      out += std::to_string(index);
    } else if (const std::string why = rows::append_csv_value(out, row_[i], rule_.dialect); !why.empty()) {
      return "column '" + printable(names_[i], 100) + "': " + why;
    }
  }
  if (out.size() == start) {
    // An empty line is not a row.
    if (rule_.dialect.quote == '\0') {
      return "column '" + printable(names_.front(), 100) +
             "': is empty, and an empty line is not a row; set 'quote', or add a column";
    }
    out.append(2, rule_.dialect.quote);
  }
  return {};
}

std::string RowOutput::append_text(const tenon::Record& record, std::uint64_t index, std::string& out) const {
  for (const OutputRule::Piece& piece : rule_.pieces) {
    if (!piece.is_field) {
      out += piece.text;
      continue;
    }
    const tenon::RecordField* found = nullptr;
    if (record.fields() != nullptr) {
      for (const tenon::RecordField* const field : *record.fields()) {
        if (view(field->name()) == piece.text) {
          found = field;
          break;
        }
      }
    }
    if (found != nullptr) {
      append_plain(out, *found);
    } else if (piece.text == kIndex) {
      out += std::to_string(index);
    } else {
      return "has no field '" + printable(piece.text, 100) + "', which the template names";
    }
  }
  return {};
}

}  // namespace tenon::internal
