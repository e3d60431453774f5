// aws-chunked bodies from anybody. The first byte chooses the form and how the bytes arrive.
#include <cstdlib>

#include "auth/chunked_reader.h"
#include "io/reactor.h"

namespace {

using namespace cairn;

class Source final : public io::ByteSource {
 public:
  Source(io::Bytes bytes, std::size_t piece) : bytes_(bytes), piece_(piece) {}
  io::Task<Result<std::size_t>> read(io::MutableBytes into) override {
    const std::size_t n = std::min({into.size(), piece_, bytes_.size()});
    std::copy_n(bytes_.begin(), n, into.begin());
    bytes_ = bytes_.subspan(n);
    co_return n;
  }

 private:
  io::Bytes bytes_;
  std::size_t piece_;
};

io::Task<void> drain(auth::BodyReader* reader, std::uint64_t expected, std::size_t room) {
  std::vector<std::byte> buffer(room);
  std::uint64_t total = 0;
  for (;;) {
    auto got = co_await reader->read(buffer);
    if (!got) co_return;
    if (*got > room) std::abort();
    total += *got;
    if (*got == 0) break;
  }
  if (total != expected) std::abort();
}

// Everything here completes at once, so the coroutine needs no loop: only somebody to start it.
class Inline final : public io::Executor {
 public:
  void post(std::move_only_function<void()> work) override {
    Running running(*this);
    work();
  }
  void post_at(io::Instant, std::move_only_function<void()>) override { std::abort(); }
  io::Instant now() const override { return {}; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  auth::Verified verified;
  verified.payload = std::array{auth::Payload::signed_chunks, auth::Payload::signed_chunks_trailer,
                                auth::Payload::unsigned_chunks_trailer}[data[0] % 3];
  verified.seed_signature = std::string(64, '0');
  const std::size_t piece = data[0] / 3 % 2 == 0 ? 4096 : 1 + data[0] / 6;
  const std::uint64_t expected = data[1];
  Source source(std::as_bytes(std::span(data + 2, size - 2)), piece);
  auto reader = auth::make_body_reader(verified, source, expected, {"x-amz-checksum-crc32"});
  Inline executor;
  io::spawn(executor, drain(reader.get(), expected, 1 + data[0] % 64));
  return 0;
}
