/// interpreter.hpp: CPython inside a worker, as the state of the plugin.
#pragma once

#include "python/codec/python_api.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tenon/plugin.hpp>

#include "host.hpp"
#include "python/codec/encoder.hpp"

namespace py {

struct Settings;

/// The state of the plugin `py` in a worker: the functions requested so far, and reusable encoders.
class Interpreter {
 public:
  /// Starts Python with the plugin's settings. A failure does not make the plugin unusable, because
  /// callers would not see the reason: it is stored, and each call fails with it.
  explicit Interpreter(const tenon::WorkerContext& worker);
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;
  ~Interpreter();

  /// Throws tenon::TaskError TENON_UNAVAILABLE with the reason if the start failed.
  void require_start() const;

  /// The function with this name, imported at the first request; borrowed. Null with a Python
  /// exception.
  PyObject* function(std::string_view name);
  [[nodiscard]] const Host& host() const noexcept { return *host_; }

  /// An encoder that is reserved until the lease ends.
  class EncoderLease {
   public:
    explicit EncoderLease(Interpreter& interpreter);
    EncoderLease(const EncoderLease&) = delete;
    EncoderLease& operator=(const EncoderLease&) = delete;
    ~EncoderLease();
    tenon::python::Encoder& operator*() const noexcept { return *encoder_; }
    tenon::python::Encoder* operator->() const noexcept { return encoder_.get(); }

   private:
    Interpreter& interpreter_;
    std::unique_ptr<tenon::python::Encoder> encoder_;
  };

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
  };

  void set_up(const Settings& settings);

  std::optional<Host> host_;
  std::unordered_map<std::string, PyObject*, Hash, std::equal_to<>> functions_;
  std::vector<std::unique_ptr<tenon::python::Encoder>> idle_encoders_;
  std::string log_level_;
  std::string failure_;
  bool logging_connected_ = false;
};

}  // namespace py
