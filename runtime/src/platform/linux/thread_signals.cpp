#include "platform/thread_signals.hpp"

#include <csignal>

#include <pthread.h>

namespace tenon::internal {

struct SignalsBlocked::Before {
  sigset_t mask;
};

SignalsBlocked::SignalsBlocked() : before_(std::make_unique<Before>()) {
  sigset_t blocked;
  sigfillset(&blocked);
  // If the faulting thread blocks the signal, the process dies without calling the program's
  // handler.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) {
    sigdelset(&blocked, fault);
  }
  pthread_sigmask(SIG_SETMASK, &blocked, &before_->mask);
}

SignalsBlocked::~SignalsBlocked() {
  pthread_sigmask(SIG_SETMASK, &before_->mask, nullptr);
}

void name_this_thread(const char* name) noexcept {
  pthread_setname_np(pthread_self(), name);
}

}  // namespace tenon::internal
