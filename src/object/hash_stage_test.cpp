// Bodies hashed side by side: every digest is what it would be alone, whoever came along.
#include "object/hash_stage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

#include "io/reactor.h"
#include "io/sync.h"
#include "io/testing/sim_executor.h"
#include "object/hashing.h"

namespace cairn::object {
namespace {

using io::testing::SimExecutor;

std::string random_text(std::mt19937_64& rng, std::size_t size) {
  std::string text(size, '\0');
  for (auto& c : text) c = static_cast<char>(rng());
  return text;
}

// A buffer that is overwritten when nobody holds it any more.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes) : bytes_(bytes) {}
  ~Buffer() {
    // So that a reader of it is noticed (and not optimized away).
    for (volatile std::byte& b : bytes_) b = std::byte{0xEE};
  }
  io::MutableBytes bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// One body: bytes come in pieces into buffers, of which one may wait while the next one fills.
struct Body {
  std::string text{};
  std::size_t buffer_bytes = 0;
  std::vector<std::size_t> pieces{};  // sizes, over and over
  std::size_t stay = 0;               // full buffers that may wait
  std::optional<crypto::Md5Digest> digest{};
};

io::Task<bool> receive(std::shared_ptr<HashStage> stage, Body& body) {
  const HashStage::Presence presence(stage);
  auto buffer = std::make_shared<Buffer>(body.buffer_bytes);
  HashStage::Stream stream(stage);
  std::size_t done = 0, filled = 0, piece = 0;
  while (done < body.text.size()) {
    co_await io::sleep_for(io::Duration{1});
    const std::size_t n = std::min({body.text.size() - done, body.buffer_bytes - filled,
                                    body.pieces[piece++ % body.pieces.size()]});
    std::copy_n(io::as_bytes(body.text).data() + done, n, buffer->bytes().data() + filled);
    stream.add(buffer->bytes().subspan(filled, n));
    done += n;
    filled += n;
    if (filled < body.buffer_bytes) continue;
    stream.keep(std::exchange(buffer, std::make_shared<Buffer>(body.buffer_bytes)));
    co_await stream.settle(body.stay);
    filled = 0;
  }
  co_await stream.settle(0);
  buffer.reset();
  body.digest = stream.digest();
  co_return true;
}

std::vector<Body> random_bodies(std::mt19937_64& rng, std::size_t count, std::size_t most) {
  std::vector<Body> bodies(count);
  for (Body& body : bodies) {
    body.text = random_text(rng, rng() % most);
    body.buffer_bytes = 1 + rng() % 3'000;
    body.stay = rng() % 6;
    for (int i = 0; i < 5; ++i) body.pieces.push_back(1 + rng() % 1'500);
  }
  return bodies;
}

io::Task<std::vector<bool>> receive_all(std::shared_ptr<HashStage> stage,
                                        std::vector<Body>& bodies) {
  std::vector<io::Task<bool>> tasks;
  for (Body& body : bodies) tasks.push_back(receive(stage, body));
  co_return co_await io::when_all(std::move(tasks));
}

void expect_right(const std::vector<Body>& bodies) {
  for (const Body& body : bodies) {
    ASSERT_TRUE(body.digest);
    EXPECT_EQ(*body.digest, crypto::md5(io::as_bytes(body.text)));
  }
}

TEST(HashStage, RandomBodiesInEveryOrder) {
  std::mt19937_64 rng(1);
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SimExecutor executor(seed,
                         seed % 2 == 0 ? SimExecutor::Order::seeded : SimExecutor::Order::posted);
    const auto stage = std::make_shared<HashStage>(executor);
    auto bodies = random_bodies(rng, 1 + rng() % 40, 20'000);
    executor.run(receive_all(stage, bodies));
    expect_right(bodies);
  }
}

TEST(HashStage, TheSameRunTwiceDoesTheSame) {
  std::vector<std::uint64_t> steps, runs;
  for (int round = 0; round < 2; ++round) {
    std::mt19937_64 rng(2);
    SimExecutor executor(7);
    const auto stage = std::make_shared<HashStage>(executor);
    auto bodies = random_bodies(rng, 20, 20'000);
    executor.run(receive_all(stage, bodies));
    steps.push_back(executor.steps());
    runs.push_back(stage->counts().runs);
  }
  EXPECT_EQ(steps[0], steps[1]);
  EXPECT_EQ(runs[0], runs[1]);
}

// Nobody to wait for: no turn is lost, whatever the number of pieces.
TEST(HashStage, AloneWaitsForNobody) {
  std::mt19937_64 rng(3);
  SimExecutor executor(1);
  const auto stage = std::make_shared<HashStage>(executor);
  auto bodies = random_bodies(rng, 1, 50'000);
  executor.run(receive_all(stage, bodies));
  expect_right(bodies);
  EXPECT_EQ(stage->counts().runs, 0u);
  EXPECT_GT(stage->counts().alone, 0u);
}

// Those that are ready in the same turn are hashed in one run, as many as there are lanes.
TEST(HashStage, WhoIsReadyTogetherIsHashedTogether) {
  const std::size_t lanes = crypto::md5_lanes();
  if (lanes == 1) GTEST_SKIP() << "one lane: nobody is worth waiting for";
  SimExecutor executor(1, SimExecutor::Order::posted);
  const auto stage = std::make_shared<HashStage>(executor);
  std::vector<Body> bodies(2 * lanes + 1, Body{std::string(1'000, 'x'), 4'096, {4'096}});
  executor.run(receive_all(stage, bodies));
  expect_right(bodies);
  EXPECT_EQ(stage->counts().runs, 3u);
  EXPECT_EQ(stage->counts().settled, bodies.size());
  EXPECT_EQ(stage->counts().alone, 0u);
}

// A stream that has to settle takes along what others have pending, but no more than it has itself.
TEST(HashStage, OthersComeAlong) {
  if (crypto::md5_lanes() == 1) GTEST_SKIP() << "one lane: nobody comes along";
  SimExecutor executor(1);
  const auto stage = std::make_shared<HashStage>(executor);
  const HashStage::Presence one(stage), two(stage);
  const std::string shorter(700, 's'), longer(3'000, 'l');
  HashStage::Stream first(stage), second(stage);
  struct Run {
    static io::Task<bool> settle(HashStage::Stream& stream) {
      co_await stream.settle(0);
      co_return true;
    }
  };
  first.add(io::as_bytes(shorter));
  second.add(io::as_bytes(longer));
  executor.run(Run::settle(first));
  EXPECT_EQ(stage->counts().runs, 1u);
  EXPECT_EQ(stage->counts().along, 1u);
  EXPECT_EQ(first.digest(), crypto::md5(io::as_bytes(shorter)));
  executor.run(Run::settle(second));  // what was not hashed along
  EXPECT_EQ(second.digest(), crypto::md5(io::as_bytes(longer)));
  EXPECT_EQ(stage->counts().settled, 2u);
  EXPECT_EQ(stage->counts().alone, 0u);
}

TEST(HashStage, TheMoreAreThereTheMoreIsWorthKeeping) {
  SimExecutor executor(1);
  const auto stage = std::make_shared<HashStage>(executor);
  const HashStage::Stream stream(stage);
  std::vector<HashStage::Presence> writes;
  std::size_t before = stream.worth_keeping();
  EXPECT_EQ(before, 1u);  // one buffer in hand, however few there are
  for (int i = 0; i < 100; ++i) {
    writes.emplace_back(stage);
    EXPECT_GE(stream.worth_keeping(), before);
    before = stream.worth_keeping();
  }
  EXPECT_EQ(before, HashStage::kMostInHand);
}

TEST(HashStage, ABodyKeepsWhatIsWorthKeepingAndNothingWhenMemoryIsShort) {
  if (crypto::md5_lanes() == 1) GTEST_SKIP() << "one lane: nothing is kept";
  SimExecutor executor(1);
  const auto stage = std::make_shared<HashStage>(executor);
  std::vector<HashStage::Presence> writes;
  for (std::size_t i = 0; i < 100; ++i) writes.emplace_back(stage);
  BodyHasher hasher(stage, crypto::Checksum::crc64nvme, {});
  struct Run {
    static io::Task<bool> settle(BodyHasher& body, std::shared_ptr<Buffer> buffer, bool may_stay) {
      body.update(buffer->bytes());
      co_await body.settle(std::move(buffer), may_stay);
      co_return true;
    }
  };
  const auto fill = [&](bool may_stay) {
    auto buffer = std::make_shared<Buffer>(1'000);
    const std::weak_ptr<Buffer> kept = buffer;
    executor.run(Run::settle(hasher, std::move(buffer), may_stay));
    return kept;
  };
  std::vector<std::weak_ptr<Buffer>> buffers;
  for (std::size_t i = 0; i < HashStage::kMostInHand + 2; ++i) buffers.push_back(fill(true));
  for (std::size_t i = 0; i < buffers.size(); ++i) EXPECT_EQ(buffers[i].expired(), i < 2) << i;
  buffers.push_back(fill(false));
  for (const auto& buffer : buffers) EXPECT_TRUE(buffer.expired());
}

// A body that is given up takes its bytes with it: nobody reads them later.
TEST(HashStage, ADroppedStreamIsForgotten) {
  SimExecutor executor(1);
  const auto stage = std::make_shared<HashStage>(executor);
  const HashStage::Presence one(stage), two(stage);
  HashStage::Stream stays(stage);
  const std::string text(5'000, 't');
  {
    auto memory = std::make_unique<std::string>(5'000, 'd');
    HashStage::Stream dropped(stage);
    dropped.add(io::as_bytes(*memory));
  }
  stays.add(io::as_bytes(text));
  struct Run {
    static io::Task<bool> settle(HashStage::Stream& stream) {
      co_await stream.settle(0);
      co_return true;
    }
  };
  executor.run(Run::settle(stays));
  EXPECT_EQ(stage->counts().along, 0u);
  EXPECT_EQ(stays.digest(), crypto::md5(io::as_bytes(text)));
}

// Whoever settles takes along what waits on other executors.
TEST(HashStage, StagesOfAGroupHashEachOthersStreams) {
  if (crypto::md5_lanes() == 1) GTEST_SKIP() << "one lane: nobody comes along";
  SimExecutor here(1), there(2);
  const auto group = HashStage::make_group();
  const auto mine = std::make_shared<HashStage>(here, group);
  const auto other = std::make_shared<HashStage>(there, group);
  const HashStage::Presence one(mine), two(other);
  const std::string text(200'000, 'm'), along(300'000, 'a');
  HashStage::Stream first(mine), second(other);
  first.add(io::as_bytes(text));
  second.add(io::as_bytes(along));
  struct Run {
    static io::Task<bool> settle(HashStage::Stream& stream) {
      co_await stream.settle(0);
      co_return true;
    }
  };
  here.run(Run::settle(first));
  EXPECT_EQ(mine->counts().along, 1u);
  there.run(Run::settle(second));
  EXPECT_EQ(other->counts().runs, 1u);
  EXPECT_EQ(first.digest(), crypto::md5(io::as_bytes(text)));
  EXPECT_EQ(second.digest(), crypto::md5(io::as_bytes(along)));
}

// A body that breaks off while others take it along: its memory is not read any more once its
// stream is gone.
TEST(HashStages, BodiesBreakOffOnSeveralReactors) {
  constexpr std::size_t kReactors = 4, kBodies = 40;
  HashStages stages;
  auto reactors = io::make_reactors(kReactors);
  reactors->start();
  struct Run {
    static io::Task<bool> body(std::shared_ptr<HashStage> stage, std::uint64_t seed) {
      std::mt19937_64 rng(seed);
      const HashStage::Presence presence(stage);
      auto buffer = std::make_shared<Buffer>(1 + rng() % 400'000);
      HashStage::Stream stream(stage);
      std::size_t filled = 0;
      while (filled < buffer->bytes().size()) {
        co_await io::sleep_for(io::Duration{1});
        const std::size_t n = std::min<std::size_t>(buffer->bytes().size() - filled, 100'000);
        stream.add(buffer->bytes().subspan(filled, n));
        filled += n;
        if (rng() % 8 == 0) co_return false;
      }
      stream.keep(buffer);
      co_await stream.settle(rng() % 2);
      if (rng() % 4 == 0) co_return false;
      co_await stream.settle(0);
      co_return stream.digest() == crypto::md5(buffer->bytes());
    }
    static io::Task<void> on(HashStages* stages, std::uint64_t seed, io::Mailbox<int> done) {
      const auto stage = stages->here();
      std::vector<io::Task<bool>> tasks;
      for (std::size_t i = 0; i < kBodies; ++i) tasks.push_back(body(stage, seed * kBodies + i));
      const auto right = co_await io::when_all(std::move(tasks));
      done.push(static_cast<int>(std::ranges::count(right, true)));
    }
    static io::Task<int> collect(io::Mailbox<int> done) {
      int all = 0;
      for (std::size_t i = 0; i < kReactors; ++i) all += *co_await done.pop();
      co_return all;
    }
  };
  io::Mailbox<int> done;
  for (std::size_t i = 0; i < kReactors; ++i) io::spawn(reactors->at(i), Run::on(&stages, i, done));
  const int right = io::block_on(*reactors, Run::collect(done));
  reactors->stop();
  int expected = 0;  // those that do not break off, by the same dice
  for (std::uint64_t seed = 0; seed < kReactors * kBodies; ++seed) {
    std::mt19937_64 rng(seed);
    const std::size_t bytes = 1 + rng() % 400'000;
    bool whole = true;
    for (std::size_t filled = 0; filled < bytes && whole; filled += 100'000) whole = rng() % 8 != 0;
    if (whole) static_cast<void>(rng());
    expected += whole && rng() % 4 != 0;
  }
  EXPECT_EQ(right, expected);
  EXPECT_GT(right, 0);
}

// Each reactor has its own stage; they find it without hindering each other.
TEST(HashStages, OnePerReactor) {
  constexpr std::size_t kReactors = 4;
  std::mt19937_64 rng(5);
  std::vector<std::vector<Body>> bodies(kReactors);
  for (auto& some : bodies) some = random_bodies(rng, 12, 60'000);
  HashStages stages;
  auto reactors = io::make_reactors(kReactors);
  reactors->start();
  struct Run {
    static io::Task<void> on(HashStages* stages, std::vector<Body>* bodies,
                             io::Mailbox<HashStage*> done) {
      const auto stage = stages->here();
      co_await receive_all(stage, *bodies);
      EXPECT_EQ(stages->here(), stage);
      done.push(stage.get());
    }
    static io::Task<std::vector<HashStage*>> collect(io::Mailbox<HashStage*> done) {
      std::vector<HashStage*> all;
      while (all.size() < kReactors) all.push_back(*co_await done.pop());
      co_return all;
    }
  };
  io::Mailbox<HashStage*> done;
  for (std::size_t i = 0; i < kReactors; ++i)
    io::spawn(reactors->at(i), Run::on(&stages, &bodies[i], done));
  auto used = io::block_on(*reactors, Run::collect(done));
  reactors->stop();
  std::ranges::sort(used);
  EXPECT_EQ(std::ranges::unique(used).size(), 0u);
  for (const auto& some : bodies) expect_right(some);
}

}  // namespace
}  // namespace cairn::object
