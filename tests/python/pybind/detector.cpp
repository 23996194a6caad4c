// A C++ object as people bind it: it contains memory and a mutex, and can be neither pickled nor sent.
#include <pybind11/pybind11.h>
#include <unistd.h>

#include <cstdint>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

namespace {

class Detector {
 public:
  explicit Detector(std::size_t weights) : weights_(weights) {
    std::iota(weights_.begin(), weights_.end(), 0.0);
    ++made;
  }

  double score(std::int64_t item) {
    const std::lock_guard lock(mutex_);
    ++uses_;
    return weights_[static_cast<std::size_t>(item) % weights_.size()] + 0.5;
  }
  [[nodiscard]] std::uint64_t uses() const noexcept { return uses_; }

  static inline int made = 0;

 private:
  std::mutex mutex_;
  std::vector<double> weights_;
  std::uint64_t uses_ = 0;
};

}  // namespace

PYBIND11_MODULE(detector, module) {
  pybind11::class_<Detector>(module, "Detector")
      .def(pybind11::init<std::size_t>())
      .def("score", &Detector::score)
      .def_property_readonly("uses", &Detector::uses);
  module.def("made", [] { return Detector::made; });
}
