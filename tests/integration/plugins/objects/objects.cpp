#include <unistd.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <tenon/plugin.hpp>

#include "objects_generated.h"

namespace {

/// An object that is as hard to pickle as possible: a lock, an open descriptor, no copy, no move.
class Account {
 public:
  Account() : descriptor_(::dup(2)) {}
  ~Account() { ::close(descriptor_); }
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  std::int64_t deposit(std::int64_t amount) {
    const std::scoped_lock lock(mutex_);
    ++calls_;
    return total_ += amount;
  }
  [[nodiscard]] std::uint64_t calls() const { return calls_; }

 private:
  std::mutex mutex_;
  int descriptor_;
  std::int64_t total_ = 0;
  std::uint64_t calls_ = 0;
};

struct Accounts {
  std::map<std::string, std::unique_ptr<Account>> by_name;
};

tenon::Offset<objects::Balance> deposit(tenon::Call& call, const objects::Deposit& argument) {
  auto& account = call.state<Accounts>().by_name[argument.account()->str()];
  if (!account) {
    account = std::make_unique<Account>();
  }
  const std::int64_t total = account->deposit(argument.amount());
  return objects::CreateBalanceDirect(call.builder(), argument.account()->c_str(), total, ::getpid(), account->calls());
}

}  // namespace

TENON_PLUGIN(objects) {
  plugin.state<Accounts>();
  plugin.task<deposit>("deposit");
}
