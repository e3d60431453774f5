#include <isa-l/erasure_code.h>

#include <algorithm>
#include <array>
#include <bit>
#include <mutex>
#include <unordered_map>

#include "base/assert.h"
#include "erasure/erasure.h"

namespace cairn::erasure {
namespace {

constexpr unsigned kMaxPieces = 16;      // k + m, model/profile.h
constexpr std::size_t kTableBytes = 32;  // of ISA-L, for each coefficient
constexpr std::size_t kMaxCachedPatterns = 512;
constexpr std::size_t kMaxCallBytes = 1u << 30;  // ISA-L counts in int

using Pointers = std::array<unsigned char*, kMaxPieces>;
using Tables = std::vector<unsigned char>;

unsigned char* raw(const std::byte* p) {
  // ISA-L's parameters are not const; sources are only read.
  return const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(p));
}

Tables make_tables(unsigned columns, unsigned rows, std::vector<unsigned char> matrix) {
  Tables tables(kTableBytes * columns * rows);
  ec_init_tables(static_cast<int>(columns), static_cast<int>(rows), matrix.data(), tables.data());
  return tables;
}

// rows output pieces, each a combination of `columns` input pieces.
void multiply(unsigned columns, unsigned rows, const Tables& tables, Pointers in, Pointers out,
              std::size_t length) {
  while (length > 0) {
    const std::size_t n = std::min(length, kMaxCallBytes);
    ec_encode_data(static_cast<int>(n), static_cast<int>(columns), static_cast<int>(rows),
                   const_cast<unsigned char*>(tables.data()), in.data(), out.data());
    length -= n;
    for (unsigned i = 0; i < columns; ++i) in[i] += n;
    for (unsigned i = 0; i < rows; ++i) out[i] += n;
  }
}

class CauchyCode final : public Code {
 public:
  explicit CauchyCode(model::ErasureProfile profile)
      : profile_(profile), k_(profile.data), n_(profile.drives()), matrix_(n_ * k_) {
    gf_gen_cauchy1_matrix(matrix_.data(), static_cast<int>(n_), static_cast<int>(k_));
    if (n_ > k_)
      parity_tables_ = make_tables(k_, n_ - k_, {matrix_.begin() + k_ * k_, matrix_.end()});
  }

  model::ErasureProfile profile() const override { return profile_; }

  void encode(std::span<const std::byte* const> data, std::span<std::byte* const> parity,
              std::size_t length) const override {
    CAIRN_ASSERT(data.size() == k_ && parity.size() == n_ - k_);
    if (parity.empty()) return;
    Pointers in{}, out{};
    std::transform(data.begin(), data.end(), in.begin(), raw);
    std::transform(parity.begin(), parity.end(), out.begin(), raw);
    multiply(k_, n_ - k_, parity_tables_, in, out, length);
  }

  Result<void> reconstruct(std::span<const Have> present, std::span<const Want> wanted,
                           std::size_t length) const override {
    Pointers have{}, want{};  // by index
    std::uint32_t have_mask = 0, want_mask = 0;
    CAIRN_TRY(collect(present, have, have_mask));
    CAIRN_TRY(collect(wanted, have_mask, want, want_mask));
    if (want_mask == 0) return {};
    const auto tables = tables_for(have_mask, want_mask);
    multiply(k_, static_cast<unsigned>(std::popcount(want_mask)), *tables, packed(have, have_mask),
             packed(want, want_mask), length);
    return {};
  }

 private:
  // The first k pieces that are there.
  Result<void> collect(std::span<const Have> present, Pointers& have, std::uint32_t& mask) const {
    std::uint32_t seen = 0;
    for (const Have& piece : present) {
      if (piece.index >= n_ || piece.bytes == nullptr || (seen >> piece.index & 1) != 0)
        return Error{cairn::Code::invalid_argument,
                     "erasure: a present piece is unknown or there twice"};
      seen |= 1u << piece.index;
      if (static_cast<unsigned>(std::popcount(mask)) == k_) continue;
      mask = seen;
      have[piece.index] = raw(piece.bytes);
    }
    if (static_cast<unsigned>(std::popcount(mask)) < k_)
      return Error{cairn::Code::invalid_argument, "erasure: fewer pieces than needed"};
    return {};
  }
  Result<void> collect(std::span<const Want> wanted, std::uint32_t have_mask, Pointers& want,
                       std::uint32_t& mask) const {
    for (const Want& piece : wanted) {
      if (piece.index >= n_ || piece.bytes == nullptr ||
          ((mask | have_mask) >> piece.index & 1) != 0)
        return Error{cairn::Code::invalid_argument,
                     "erasure: a wanted piece is unknown, there, or asked twice"};
      mask |= 1u << piece.index;
      want[piece.index] = raw(piece.bytes);
    }
    return {};
  }

  static Pointers packed(const Pointers& by_index, std::uint32_t mask) {
    Pointers out{};
    std::size_t n = 0;
    for (; mask != 0; mask &= mask - 1)
      out[n++] = by_index[static_cast<std::size_t>(std::countr_zero(mask))];
    return out;
  }

  // Tables that make the pieces in `want` (ascending) of those in `have` (ascending).
  std::shared_ptr<const Tables> tables_for(std::uint32_t have, std::uint32_t want) const {
    const std::uint64_t key = static_cast<std::uint64_t>(have) << 32 | want;
    {
      std::lock_guard lock(mutex_);
      if (const auto it = cache_.find(key); it != cache_.end()) return it->second;
    }
    auto tables = std::make_shared<const Tables>(make_decode_tables(have, want));
    std::lock_guard lock(mutex_);
    // Patterns in use at one time are few; starting anew now and then is cheaper than keeping an
    // order.
    if (cache_.size() >= kMaxCachedPatterns) cache_.clear();
    return cache_.try_emplace(key, std::move(tables)).first->second;
  }

  Tables make_decode_tables(std::uint32_t have, std::uint32_t want) const {
    // Rows of the generator that made what is there, inverted, give the data back; a parity piece
    // is its own row times that.
    std::vector<unsigned char> rows, inverse(k_ * k_);
    for (std::uint32_t m = have; m != 0; m &= m - 1) {
      const auto row = matrix_.begin() + std::countr_zero(m) * static_cast<int>(k_);
      rows.insert(rows.end(), row, row + static_cast<int>(k_));
    }
    CAIRN_ASSERT(gf_invert_matrix(rows.data(), inverse.data(), static_cast<int>(k_)) == 0);
    std::vector<unsigned char> matrix;
    for (std::uint32_t m = want; m != 0; m &= m - 1) {
      const unsigned char* row = matrix_.data() + static_cast<unsigned>(std::countr_zero(m)) * k_;
      for (unsigned column = 0; column < k_; ++column) {
        unsigned char sum = 0;
        for (unsigned i = 0; i < k_; ++i) sum ^= gf_mul(row[i], inverse[i * k_ + column]);
        matrix.push_back(sum);
      }
    }
    return make_tables(k_, static_cast<unsigned>(std::popcount(want)), std::move(matrix));
  }

  const model::ErasureProfile profile_;
  const unsigned k_, n_;
  std::vector<unsigned char> matrix_;  // n rows of k: identity, then Cauchy
  Tables parity_tables_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::uint64_t, std::shared_ptr<const Tables>> cache_;
};

}  // namespace

std::shared_ptr<const Code> Code::of(model::ErasureProfile profile) {
  CAIRN_ASSERT(model::profile_is_allowed(profile.data, profile.parity));
  static std::mutex mutex;
  static std::array<std::array<std::shared_ptr<const Code>, kMaxPieces + 1>, kMaxPieces + 1> codes;
  std::lock_guard lock(mutex);
  auto& code = codes[profile.data][profile.parity];
  if (!code) code = std::make_shared<CauchyCode>(profile);
  return code;
}

}  // namespace cairn::erasure
