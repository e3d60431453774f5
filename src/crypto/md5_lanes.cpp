#include "crypto/md5_lanes.h"

// The low-level interface starts from any state, which the EVP one cannot.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.h"
#include "crypto/md5_detail.h"

namespace cairn::crypto {
namespace detail {
namespace {

constexpr std::size_t kBlock = 64;
constexpr std::size_t kMaxLanes = 16;
static_assert(std::endian::native == std::endian::little, "the lanes load words as they lie");

// Whole blocks of one stream that are still to be hashed.
struct Run {
  std::uint32_t* words;
  const std::byte* data;
  std::size_t blocks;
};

void hash_alone(const Run& run) {
  MD5_CTX context{};
  context.A = run.words[0];
  context.B = run.words[1];
  context.C = run.words[2];
  context.D = run.words[3];
  CAIRN_ASSERT(MD5_Update(&context, run.data, run.blocks * kBlock) == 1);
  run.words[0] = context.A;
  run.words[1] = context.B;
  run.words[2] = context.C;
  run.words[3] = context.D;
}

// Tops up a started block, and hashes it once it is full. What is left of the data.
Bytes fill_partial(Md5State& state, Bytes data) {
  const std::size_t have = state.length % kBlock;
  if (have == 0) return data;
  const std::size_t n = std::min(kBlock - have, data.size());
  std::copy_n(data.data(), n, state.partial.data() + have);
  state.length += n;
  if (have + n == kBlock) hash_alone({state.words.data(), state.partial.data(), 1});
  return data.subspan(n);
}

// The lanes at work. A stream that ends gives its lane to the next.
class Batch {
 public:
  explicit Batch(const Md5Engine& engine) : engine_(engine) {}

  bool full() const { return count_ == width(); }
  void add(const Run& run) { runs_[count_++] = run; }
  // Works until a lane is free.
  void advance() {
    if (count_ == 1 || engine_.count == 0) {
      hash_alone(runs_[0]);
      runs_[0] = runs_[--count_];
      return;
    }
    const Md5Kernel* kernel = engine_.kernels;
    while (kernel->lanes < count_) ++kernel;
    std::size_t blocks = runs_[0].blocks;
    for (std::size_t i = 1; i < count_; ++i) blocks = std::min(blocks, runs_[i].blocks);
    std::uint32_t unused[4] = {};
    std::uint32_t* words[kMaxLanes];
    const std::byte* data[kMaxLanes];
    for (std::size_t i = 0; i < kernel->lanes; ++i) {  // a lane without a stream repeats the first
      words[i] = i < count_ ? runs_[i].words : unused;
      data[i] = runs_[i < count_ ? i : 0].data;
    }
    kernel->run(words, data, blocks);
    step_over(blocks);
  }
  void drain() {
    while (count_ > 0) advance();
  }

 private:
  std::size_t width() const {
    return engine_.count == 0 ? 1 : engine_.kernels[engine_.count - 1].lanes;
  }
  void step_over(std::size_t blocks) {
    for (std::size_t i = 0; i < count_;) {
      Run& run = runs_[i];
      run.data += blocks * kBlock;
      run.blocks -= blocks;
      if (run.blocks > 0)
        ++i;
      else
        run = runs_[--count_];
    }
  }

  const Md5Engine& engine_;
  Run runs_[kMaxLanes];
  std::size_t count_ = 0;
};

constexpr Md5Engine kAlone{"one lane", nullptr, 0};

std::vector<const Md5Engine*> find_engines() {
  std::vector<const Md5Engine*> found{&kAlone};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) found.push_back(&kMd5Avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
    found.push_back(&kMd5Avx512);
#elif defined(__aarch64__)
  found.push_back(&kMd5Neon);
#endif
  for (const Md5Engine* e : found)
    CAIRN_ASSERT(e->count == 0 || e->kernels[e->count - 1].lanes <= kMaxLanes);
  return found;
}

}  // namespace

const std::vector<const Md5Engine*>& md5_engines() {
  static const std::vector<const Md5Engine*> engines = find_engines();
  return engines;
}

void md5_update_with(const Md5Engine& engine, std::span<const Md5Piece> pieces) {
  Batch batch(engine);
  for (const Md5Piece& piece : pieces) {
    Md5State& state = *piece.state;
    const Bytes data = fill_partial(state, piece.data);
    const std::size_t blocks = data.size() / kBlock, rest = data.size() % kBlock;
    if (blocks > 0) {
      if (batch.full()) batch.advance();
      batch.add({state.words.data(), data.data(), blocks});
    }
    // The block that the piece leaves open is its own: it does not touch what the lanes work on.
    if (rest > 0) std::copy_n(data.data() + blocks * kBlock, rest, state.partial.data());
    state.length += data.size();
  }
  batch.drain();
}

}  // namespace detail

void md5_update(std::span<const Md5Piece> pieces) {
  detail::md5_update_with(*detail::md5_engines().back(), pieces);
}

Md5Digest md5_finish(const Md5State& state) {
  std::byte tail[2 * detail::kBlock]{};
  const std::size_t have = state.length % detail::kBlock;
  std::copy_n(state.partial.data(), have, tail);
  tail[have] = std::byte{0x80};
  const std::size_t blocks = have + 9 <= detail::kBlock ? 1 : 2;
  const std::uint64_t bits = state.length * 8;  // modulo 2^64, as RFC 1321 has it
  std::memcpy(tail + blocks * detail::kBlock - sizeof bits, &bits, sizeof bits);
  auto words = state.words;
  detail::hash_alone({words.data(), tail, blocks});
  return std::bit_cast<Md5Digest>(words);
}

unsigned md5_lanes() {
  const detail::Md5Engine& engine = *detail::md5_engines().back();
  return engine.count == 0 ? 1 : engine.kernels[engine.count - 1].lanes;
}

}  // namespace cairn::crypto
