#include "object/body.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.h"

namespace cairn::object {
namespace {

Error incomplete_body() {
  return {Code::incomplete_body,
          "You did not provide the number of bytes specified by the Content-Length HTTP header"};
}

// Reads on where nothing may follow. What follows shows a body longer than declared; an error at
// the very end (a bad signature, a bad trailer) must not be missed.
io::Task<Result<void>> expect_end(io::ByteSource& body) {
  std::array<std::byte, 64> scratch;
  auto more = co_await body.read(scratch);
  if (!more) co_return more.error();
  if (*more != 0) co_return incomplete_body();
  co_return Result<void>{};
}

// Reads until `room` is full or the body has ended; how much there was.
io::Task<Result<std::size_t>> fill_room(io::MutableBytes room, io::ByteSource& body,
                                        std::uint64_t before, std::uint64_t limit,
                                        BodyHasher& hasher, store::DataWriter& writer) {
  std::size_t filled = 0;
  while (filled < room.size()) {
    CAIRN_CO_ASSIGN(const std::size_t got, co_await body.read(room.subspan(filled)));
    if (got == 0) break;
    hasher.update(room.subspan(filled, got));
    writer.arrived(got);
    filled += got;
    if (before + filled > limit) co_return entity_too_large(before + filled, limit);
  }
  co_return filled;
}

// Fills the writer until the body ends or `size` bytes are there. A buffer is handed over as a
// whole and settled when the next is full: until then its bytes can be hashed along with other
// bodies'.
io::Task<Result<void>> fill(store::DataWriter& writer, io::ByteSource& body,
                            std::optional<std::uint64_t> size, std::uint64_t limit,
                            BodyHasher& hasher) {
  std::uint64_t total = 0;
  while (!size || total < *size) {
    CAIRN_CO_ASSIGN(io::MutableBytes room, co_await writer.buffer());
    if (size)
      room =
          room.first(static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), *size - total)));
    CAIRN_CO_ASSIGN(const std::size_t filled,
                    co_await fill_room(room, body, total, limit, hasher, writer));
    total += filled;
    if (filled < room.size() && size) co_return incomplete_body();
    if (filled > 0) {
      CAIRN_CO_ASSIGN(auto buffer, co_await writer.advance(filled));
      co_await hasher.settle(std::move(buffer), !writer.is_short_of_memory());
    }
    if (filled < room.size()) {
      co_await hasher.settle_all();
      co_return Result<void>{};
    }
  }
  co_await hasher.settle_all();
  co_return co_await expect_end(body);
}

// Copies the pieces of `source` into the writer, whose room they are hashed in.
io::Task<Result<void>> pour(store::DataWriter& writer, io::SliceSource& source, std::uint64_t size,
                            BodyHasher& hasher) {
  std::uint64_t left = size;
  while (left > 0) {
    CAIRN_CO_ASSIGN(const io::Slices pieces, co_await source.next());
    if (pieces.empty()) co_return Error{Code::corrupt, "the source of a copy ended early"};
    for (const io::Slice& piece : pieces) {
      io::Bytes bytes = piece.bytes;
      if (bytes.size() > left)
        co_return Error{Code::corrupt, "the source of a copy is longer than its record says"};
      left -= bytes.size();
      while (!bytes.empty()) {
        CAIRN_CO_ASSIGN(const io::MutableBytes room, co_await writer.buffer());
        const std::size_t n = std::min(room.size(), bytes.size());
        std::memcpy(room.data(), bytes.data(), n);
        bytes = bytes.subspan(n);
        hasher.update(room.first(n));
        CAIRN_CO_ASSIGN(auto buffer, co_await writer.advance(n));
        co_await hasher.settle(std::move(buffer), !writer.is_short_of_memory());
      }
    }
  }
  co_await hasher.settle_all();
  co_return Result<void>{};
}

}  // namespace

Error entity_too_large(std::uint64_t size, std::uint64_t limit) {
  return {Code::entity_too_large,
          "Your proposed upload exceeds the maximum allowed size",
          {{"ProposedSize", std::to_string(size)}, {"MaxSizeAllowed", std::to_string(limit)}}};
}

io::Task<Result<void>> StagedBody::finish(store::PutVersion& into) {
  if (writer) CAIRN_CO_TRY(co_await writer->finish(into));
  CAIRN_ASSERT(!writer || into.record.size == digest.size);
  into.record.size = digest.size;
  into.record.etag = digest.etag();
  co_return Result<void>{};
}

io::Task<Result<StagedBody>> receive_body(BodyTarget target, io::ByteSource& body,
                                          BodyClaims claims) {
  if (claims.size && *claims.size > target.max_bytes)
    co_return entity_too_large(*claims.size, target.max_bytes);
  std::optional<crypto::Checksum> verify;
  if (claims.checksum) verify = claims.checksum->algorithm;
  const auto stage = target.hashing.here();
  StagedBody staged;
  staged.presence = HashStage::Presence(stage);
  BodyHasher hasher(stage, claims.keep, verify);
  if (claims.size == std::uint64_t{0}) {
    CAIRN_CO_TRY(co_await expect_end(body));
  } else {
    CAIRN_CO_ASSIGN(staged.writer, co_await target.store.write(target.unit, target.value,
                                                               claims.size, target.blob_only));
    CAIRN_CO_TRY(co_await fill(*staged.writer, body, claims.size, target.max_bytes, hasher));
  }
  staged.digest = hasher.finish();
  CAIRN_CO_TRY(verify_claims(claims, staged.digest));
  co_return staged;
}

io::Task<Result<StagedBody>> copy_body(BodyTarget target, io::SliceSource* source,
                                       std::uint64_t size, crypto::Checksum keep) {
  const auto stage = target.hashing.here();
  StagedBody staged;
  staged.presence = HashStage::Presence(stage);
  BodyHasher hasher(stage, keep, std::nullopt);
  if (size > 0) {
    CAIRN_CO_ASSIGN(staged.writer,
                    co_await target.store.write(target.unit, target.value, size, target.blob_only));
    CAIRN_CO_TRY(co_await pour(*staged.writer, *source, size, hasher));
  }
  staged.digest = hasher.finish();
  co_return staged;
}

}  // namespace cairn::object
