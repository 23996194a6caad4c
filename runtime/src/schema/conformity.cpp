#include "schema/conformity.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "schema/schema_model.hpp"
#include "schema/type_comparison.hpp"

namespace tenon::internal {
namespace {

using Kind = TypeBreak::Kind;
using Subject = SchemaBreak::Subject;

/// How many pairs of names are compared to find a renamed task; a file with more would cause too
/// much work.
constexpr std::size_t kMaxNamePairs = 4096;

/// What to do instead, which depends on the reader.
std::string advice_for(const TypeBreak& found, bool reader_is_new) {
  switch (found.kind) {
    case Kind::kName:
    case Kind::kAny:
      return "keep the table; for another one make a new task";
    case Kind::kForm:
      return "keep what the name stands for, and give the new type another name";
    case Kind::kMoved:
      return "keep the id: append new fields behind all others, or give each field its id as in (id: 3)";
    case Kind::kRenamed:
      return "keep the name; for a field of another meaning append one and mark this one deprecated";
    case Kind::kRemoved:
      return "keep it and mark it deprecated, so that nothing else takes its id";
    case Kind::kReused:
      return "keep the deprecated field, and append the new one behind all others";
    case Kind::kRequired:
      return reader_is_new ? "leave `required` out: old callers need not give it; let the task refuse what it misses"
                           : "keep it required, and fill it: callers of the old version rely on it";
    case Kind::kType:
      return "keep the type, append a field of the new one and mark this one deprecated";
    case Kind::kIntegerToEnum:
    case Kind::kEnumToInteger:
      if ((found.kind == Kind::kIntegerToEnum) == reader_is_new) {
        return "keep the integer: callers know numbers that are no value of the enum; append a field of the enum";
      }
      return "keep the enum: callers know its values by name; append a field of the integer type";
    case Kind::kNullable:
      return "keep what an absent value means; append a field for another meaning";
    case Kind::kDefault:
      return "keep the default: a value that equals it does not travel; set another one in the callers' params";
    case Kind::kKey:
      return "keep the key: readers search vectors that are sorted by it";
    case Kind::kUnderlying:
      return "keep the integer type; make a new enum and append a field of it";
    case Kind::kFlags:
      return "keep what the numbers mean; make a new enum and append a field of it";
    case Kind::kValueMoved:
      return "keep the number: give each value its own, and append new ones";
    case Kind::kValueRenamed:
      return "keep the name; append a value for another meaning";
    case Kind::kValueRemoved:
      return "keep it, and let its comment say that it is not used any more";
    case Kind::kMember:
      return "keep the member, and append one of the new type";
    case Kind::kLayout:
      return "keep the struct: it can never change; make a new struct or a table and append a field of it";
  }
  return {};
}

std::string table_text(const std::string& type) {
  return type.empty() ? "none" : printable(type);
}

/// Everything that a caller sees of a task except its name.
using Signature = std::tuple<TaskKind, std::string_view, std::string_view, std::string_view>;

Signature signature_of(const TaskInfo& task) {
  return {task.kind, task.argument_type, task.result_type, task.params_type};
}

class Conformity {
 public:
  Conformity(const SchemaModel& old_model, const SchemaModel& new_model)
      : old_(old_model),
        new_(new_model),
        towards_new_(old_model, new_model, TypeComparison::Versions::kReaderIsNew),
        towards_old_(new_model, old_model, TypeComparison::Versions::kWriterIsNew) {}

  std::vector<SchemaBreak> run() {
    find_added();
    for (const TaskInfo& task : old_.tasks) {
      const auto now = std::lower_bound(new_.tasks.begin(), new_.tasks.end(), task,
                                        [](const TaskInfo& a, const TaskInfo& b) { return a.name < b.name; });
      if (now == new_.tasks.end() || now->name != task.name) {
        report({task.full_name, Subject::kTask, task.full_name, std::string(task_kind_text(task.kind)), "absent",
                removal_advice(task)});
      } else {
        compare_tasks(task, *now);
      }
    }
    compare_optional({}, Subject::kSettings, new_.plugin, old_.settings_type, new_.settings_type);
    return std::move(breaks_);
  }

 private:
  void report(SchemaBreak found) {
    // A table that is both argument and result has the same break in both directions.
    if (told_.insert(found.place + '\n' + found.old_text + '\n' + found.new_text).second) {
      breaks_.push_back(std::move(found));
    }
  }

  void find_added() {
    for (const TaskInfo& task : new_.tasks) {
      if (!std::binary_search(old_.tasks.begin(), old_.tasks.end(), task,
                              [](const TaskInfo& a, const TaskInfo& b) { return a.name < b.name; })) {
        added_.push_back(task.name);
        added_by_signature_[signature_of(task)].push_back(&task);
      }
    }
  }

  std::string removal_advice(const TaskInfo& task) {
    std::string rename;
    if (const std::size_t pairs = added_.size(); pairs <= name_pairs_) {
      name_pairs_ -= pairs;
      rename = did_you_mean(task.name, added_);
    }
    if (rename.empty()) {
      // No name is similar; a single new task with the same types may still be the renamed one.
      const auto same = added_by_signature_.find(signature_of(task));
      if (same != added_by_signature_.end() && same->second.size() == 1) {
        rename = "did you mean '" + same->second.front()->name + "'?";
      }
    }
    if (rename.empty()) {
      return "keep the task; it may do no more than say what to call instead";
    }
    return "was it renamed, " + rename + " keep a method of the old name beside it";
  }

  void compare_tasks(const TaskInfo& before, const TaskInfo& now) {
    if (before.kind != now.kind) {
      report({before.full_name, Subject::kTask, before.full_name, std::string(task_kind_text(before.kind)),
              std::string(task_kind_text(now.kind)), "keep the kind, and make a new task of the other kind"});
    }
    if (before.idempotent && !now.idempotent) {
      report({before.full_name, Subject::kTask, before.full_name, "idempotent", "not idempotent",
              "keep it idempotent: callers count on a retry when a worker dies; or make a new task"});
    }
    compare_type(before.full_name, Subject::kArgument, before.full_name, before.argument_type, now.argument_type);
    compare_optional(before.full_name, Subject::kParams, before.full_name, before.params_type, now.params_type);
    compare_type(before.full_name, Subject::kResult, before.full_name, before.result_type, now.result_type);
    if (!before.checkpoint_type.empty() && !now.checkpoint_type.empty()) {
      compare_type(before.full_name, Subject::kCheckpoint, before.full_name, before.checkpoint_type,
                   now.checkpoint_type);
    }
  }

  /// Params and settings: one side may have none.
  void compare_optional(const std::string& task, Subject subject, const std::string& owner, const std::string& before,
                        const std::string& now) {
    if (before.empty() && now.empty()) {
      return;
    }
    if (!before.empty() && !now.empty()) {
      compare_type(task, subject, owner, before, now);
      return;
    }
    if (now.empty()) {
      report({task, subject, owner, table_text(before), table_text(now),
              "keep the table, with its fields marked deprecated: it is still given"});
      return;
    }
    const ObjectModel* table = new_.find_object(now);
    for (const FieldModel& field : table->fields) {
      if (field.required && !field.deprecated) {
        report({task, subject, printable(table->name + '.' + field.name), "absent", "required",
                "leave `required` out: no caller sends the table yet"});
      }
    }
  }

  void compare_type(const std::string& task, Subject subject, const std::string& owner, const std::string& before,
                    const std::string& now) {
    const bool reader_is_new = subject != Subject::kResult;
    const std::string& read = reader_is_new ? now : before;
    if (before != now) {
      if (read != kAnyTypeName) {
        report({task, subject, owner, table_text(before), table_text(now),
                subject == Subject::kCheckpoint ? "keep the table, and append what is new to it"
                                                : "keep the table; for another one make a new task"});
      }
      return;
    }
    const ObjectModel* old_table = old_.find_object(before);
    const ObjectModel* new_table = new_.find_object(now);
    auto found =
        reader_is_new ? towards_new_.compare(*old_table, *new_table) : towards_old_.compare(*new_table, *old_table);
    for (TypeBreak& one : found) {
      std::string advice = advice_for(one, reader_is_new);
      if (!reader_is_new) {
        std::swap(one.written, one.read);
      }
      report({task, subject, std::move(one.place), std::move(one.written), std::move(one.read), std::move(advice)});
    }
  }

  const SchemaModel& old_;
  const SchemaModel& new_;
  TypeComparison towards_new_;
  TypeComparison towards_old_;
  std::vector<SchemaBreak> breaks_;
  std::set<std::string> told_;
  std::vector<std::string> added_;
  std::map<Signature, std::vector<const TaskInfo*>> added_by_signature_;
  std::size_t name_pairs_ = kMaxNamePairs;
};

}  // namespace

std::string_view subject_name(SchemaBreak::Subject subject) noexcept {
  switch (subject) {
    case Subject::kTask:
      return "task";
    case Subject::kArgument:
      return "argument";
    case Subject::kParams:
      return "params";
    case Subject::kResult:
      return "result";
    case Subject::kCheckpoint:
      return "checkpoint";
    case Subject::kSettings:
      return "settings";
  }
  return "task";
}

std::string SchemaBreak::to_string() const {
  std::string text(subject_name(subject));
  if (!task.empty()) {
    text += (subject == Subject::kTask ? " " : " of ") + task;
  }
  text += ": ";
  if (place != task) {
    text += place + ": ";
  }
  return text + old_text + " became " + new_text + "; " + advice;
}

std::vector<SchemaBreak> check_conformity(const Schema& old_schema, const Schema& new_schema) {
  return Conformity(SchemaAccess::model(old_schema), SchemaAccess::model(new_schema)).run();
}

}  // namespace tenon::internal
