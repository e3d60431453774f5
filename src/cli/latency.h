// Latencies in buckets of about 1 % width, from a microsecond to hours: cheap to record, exact
// enough for percentiles.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace cairn::cli {

class Latencies {
 public:
  void record(std::uint64_t nanoseconds) {
    ++counts_[index_of(nanoseconds)];
    ++total_;
    sum_ += nanoseconds;
  }
  void add(const Latencies& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    sum_ += other.sum_;
  }
  std::uint64_t count() const { return total_; }
  double mean() const {
    return total_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(total_);
  }
  // The upper end of the bucket that holds the quantile (0 < q <= 1), in nanoseconds; 0 when
  // nothing was recorded.
  std::uint64_t quantile(double q) const {
    if (total_ == 0) return 0;
    auto rank = static_cast<std::uint64_t>(q * static_cast<double>(total_) + 0.999999);
    if (rank == 0) rank = 1;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] >= rank) return upper_end(i);
      rank -= counts_[i];
    }
    return upper_end(counts_.size() - 1);
  }

 private:
  static constexpr unsigned kSubBits = 6;  // 64 buckets for each power of two
  static std::size_t index_of(std::uint64_t v) {
    if (v < (1u << kSubBits)) return static_cast<std::size_t>(v);
    const unsigned shift = static_cast<unsigned>(std::bit_width(v)) - 1 - kSubBits;
    return (static_cast<std::size_t>(shift + 1) << kSubBits) +
           ((v >> shift) & ((1u << kSubBits) - 1));
  }
  static std::uint64_t upper_end(std::size_t index) {
    if (index < (1u << kSubBits)) return index;
    const auto shift = static_cast<unsigned>(index >> kSubBits) - 1;
    const std::uint64_t base = (1ull << kSubBits) + (index & ((1u << kSubBits) - 1));
    return ((base + 1) << shift) - 1;
  }
  std::array<std::uint64_t, (64 - kSubBits + 1) << kSubBits> counts_{};
  std::uint64_t total_ = 0, sum_ = 0;
};

}  // namespace cairn::cli
