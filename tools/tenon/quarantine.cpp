/// `tenon quarantine`: shows quarantined plugin versions and releases them.
#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/environment.hpp"
#include "plugin/store.hpp"
#include "serve/plugin_labels.hpp"
#include "swap/host_records.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/daemon_client.hpp"
#include "tools/tenon/json_output.hpp"

namespace tenon::cli {
namespace {

namespace fs = std::filesystem;

/// A shorter prefix of a hash would match too much.
constexpr std::size_t kLeastDigits = 4;

struct Arguments {
  std::string action;
  std::vector<std::string> what;
  std::string store;
  std::string socket;
};

/// A quarantined content, and the directory that records it.
struct Entry {
  internal::Quarantine place;
  internal::QuarantineRecord record;
};

/// Returns the store that the command uses. Errors: usage; those of the daemon if one was named.
Outcome<fs::path> store_directory(const Context& context, const Arguments& asked) {
  if (!asked.store.empty()) {
    std::error_code failed;
    if (!fs::is_directory(asked.store, failed)) {
      return usage_failure("--store: there is no directory '" + internal::printable(asked.store) + "'");
    }
    return fs::path(asked.store);
  }
  const bool by_variable = asked.socket.empty() && !context.world.variable("TENON_SOCKET").value_or("").empty();
  if (!asked.socket.empty() || by_variable) {
    auto daemon = DaemonClient::connect(context.world, asked.socket);
    if (!daemon && !by_variable) {
      return tl::unexpected<Failure>(std::move(daemon.error()));
    }
    if (daemon) {
      TENON_ASSIGN(const auto answer, daemon->ask(serve::GetStatusT(), kDaemonPatience));
      if (const serve::StatusT* const status = answer.AsStatus(); status != nullptr && !status->store.empty()) {
        return fs::path(status->store);
      }
    }
  }
  const fs::path cache = internal::cache_directory();
  if (cache.empty()) {
    return usage_failure("the plugin store is not known", "give --store DIR, or set HOME");
  }
  return cache / "store";
}

Outcome<std::vector<Entry>> entries_of(const fs::path& directory) {
  std::vector<Entry> entries;
  std::error_code failed;
  if (!fs::exists(directory, failed)) {
    return entries;
  }
  internal::StoreLimits limits;
  limits.keep_unpinned = internal::kKeepUnpinnedVersions;
  const auto store = internal::Store::open(directory, limits, internal::Store::Opening::kUnswept);
  if (!store) {
    return failure(ExitCode::kFailed, store.error());
  }
  std::vector<internal::Quarantine> places = store->hosts().all_rolled_back();
  places.insert(places.begin(), store->quarantine());
  for (const internal::Quarantine& place : places) {
    for (internal::QuarantineRecord& record : place.all()) {
      entries.push_back({place, std::move(record)});
    }
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.record.since > b.record.since; });
  return entries;
}

std::string label_of(const internal::QuarantineRecord& record) {
  const std::string& plugin = record.subject.plugin;
  return internal::plugin_label(plugin.empty() ? "unknown plugin" : plugin, record.subject.version, record.sha256);
}

std::string scope_of(const internal::QuarantineRecord& record) {
  return record.subject.host.empty() ? "all programs" : record.subject.host;
}

Json to_json(const Entry& entry) {
  const internal::QuarantineRecord& record = entry.record;
  return {{"sha256", record.sha256},           {"plugin", record.subject.plugin},
          {"version", record.subject.version}, {"kind", record.subject.host.empty() ? "quarantine" : "rolled_back"},
          {"for", scope_of(record)},           {"since", internal::date_text(record.since)},
          {"reason", record.reason},           {"record", (entry.place.directory() / record.sha256).string()}};
}

/// Returns the entries that `words` name, by plugin or by a prefix of the hash. Errors: usage for a
/// word that matches none.
Outcome<std::vector<Entry>> chosen(const std::vector<Entry>& entries, const std::vector<std::string>& words) {
  std::vector<Entry> found;
  for (const std::string& word : words) {
    const std::size_t before = found.size();
    std::vector<std::string> names;
    for (const Entry& entry : entries) {
      const bool by_hash = word.size() >= kLeastDigits && entry.record.sha256.starts_with(word);
      if (by_hash || entry.record.subject.plugin == word) {
        found.push_back(entry);
      }
      names.push_back(entry.record.subject.plugin);
    }
    if (found.size() == before) {
      std::string hint = internal::did_you_mean(word, names);
      return usage_failure("no plugin or hash in quarantine matches '" + internal::printable(word) + "'",
                           hint.empty() ? "'tenon quarantine list' shows all; give a plugin's name, or the first " +
                                              std::to_string(kLeastDigits) + " or more digits of a hash"
                                        : std::move(hint));
    }
  }
  return found;
}

void show(Context& context, const std::vector<Entry>& entries, bool whole) {
  if (context.json) {
    Json document;
    document["quarantine"] = Json::array();
    for (const Entry& entry : entries) {
      document["quarantine"].push_back(to_json(entry));
    }
    context.output.write(dump(document));
    return;
  }
  for (const Entry& entry : entries) {
    const internal::QuarantineRecord& record = entry.record;
    std::string text = label_of(record) + (whole ? "\n" : "  ");
    if (whole) {
      text += "  sha256: " + record.sha256 + "\n  since:  " + internal::date_text(record.since) +
              "\n  for:    " + internal::printable(scope_of(record), 1000) +
              "\n  reason: " + internal::printable(record.reason, 4096) +
              "\n  record: " + internal::printable((entry.place.directory() / record.sha256).string(), 4096) + '\n';
    } else {
      text += internal::date_text(record.since) + "  " +
              (record.subject.host.empty() ? std::string("quarantined")
                                           : "rolled back, " + internal::printable(record.subject.host, 1000)) +
              ": " + internal::printable(record.reason, 300) + '\n';
    }
    context.output.write(text);
  }
}

Outcome<ExitCode> lift(Context& context, const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    if (auto released = entry.place.release(entry.record.sha256); !released) {
      return failure(ExitCode::kFailed, std::move(released.error()));
    }
  }
  if (context.json) {
    show(context, entries, true);
    return ExitCode::kDone;
  }
  for (const Entry& entry : entries) {
    context.output.write("lifted: " + label_of(entry.record) + " may be loaded again by " +
                         internal::printable(scope_of(entry.record), 1000) + '\n');
  }
  return ExitCode::kDone;
}

}  // namespace

Outcome<ExitCode> quarantine_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Lists quarantined plugin versions, which are not loaded, and releases them.", "tenon quarantine");
  Arguments asked;
  line.add("ACTION", asked.action, "list, show or lift").required();
  line.add("HASH|PLUGIN", asked.what, "What to show or lift: the first digits of a hash, or a plugin's name");
  line.add("--store", asked.store, "The plugin store; default: the daemon's, or $XDG_CACHE_HOME/tenon/store")
      .type_name("DIR");
  add_socket_option(line, asked.socket);
  line.footer(
      "A version that crashed, hung or failed its trial is not loaded by any program of this user that shares the\n"
      "store. A version that 'tenon rollback' replaced is only blocked in that daemon. 'tenon swap FILE --force' "
      "loads\n"
      "it in both cases.\n\n"
      "Examples:\n  tenon quarantine list\n  tenon quarantine lift image");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  const bool lists = asked.action == "list";
  if (!lists && asked.action != "show" && asked.action != "lift") {
    const std::vector<std::string> actions = {"list", "show", "lift"};
    return usage_failure("tenon quarantine can list, show and lift, not '" + internal::printable(asked.action) + "'",
                         internal::did_you_mean(asked.action, actions));
  }
  if (!lists && asked.what.empty()) {
    return usage_failure("'" + asked.action + "' needs a plugin or a hash", "'tenon quarantine list' shows them");
  }
  TENON_ASSIGN(const auto directory, store_directory(context, asked));
  auto entries = entries_of(directory);
  if (!entries) {
    return tl::unexpected<Failure>(std::move(entries.error()));
  }
  if (!asked.what.empty()) {
    entries = chosen(*entries, asked.what);
    if (!entries) {
      return tl::unexpected<Failure>(std::move(entries.error()));
    }
  }
  if (asked.action == "lift") {
    return lift(context, *entries);
  }
  show(context, *entries, !lists);
  if (entries->empty() && !context.json) {
    context.output.write("nothing is in quarantine in '" + internal::printable(directory.string(), 4096) + "'\n");
  }
  return ExitCode::kDone;
}

}  // namespace tenon::cli
