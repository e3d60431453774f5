#include "drive/blob_file.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.h"
#include "drive/codec.h"

namespace cairn::drive {
namespace {

// Read at once on opening: the trailer, and the table of shards up to 8 GiB.
constexpr std::uint64_t kTailMax = std::uint64_t{1} << 20;

// The bytes of table and trailer at the end of a file of `file_bytes`, if it is a whole blob.
std::uint64_t tail_bytes(std::uint64_t file_bytes) {
  const std::uint64_t rest = file_bytes - blob_file_bytes(0);
  constexpr std::uint64_t kBlockAndSum = kShardBlockBytes + kBlockSumBytes;
  const std::uint64_t blocks = rest / kBlockAndSum + (rest % kBlockAndSum != 0 ? 1 : 0);
  return std::min(rest, blocks * kBlockSumBytes) + kBlobTrailerBytes;
}

io::Task<Result<void>> read_exactly(io::File& file, std::uint64_t offset, io::MutableBytes into) {
  CAIRN_CO_ASSIGN(const std::size_t got, co_await file.read_at(offset, into));
  if (got != into.size()) co_return Error{Code::corrupt, "a blob file is shorter than it says"};
  co_return {};
}

// Aligned, so that it goes to the disk together with the data behind it.
struct alignas(io::kDirectAlignment) HeaderPage {
  explicit HeaderPage(const BlobName& name) {
    const std::string text = blob_header(name);
    CAIRN_ASSERT(text.size() == bytes.size());
    std::memcpy(bytes.data(), text.data(), text.size());
  }
  std::array<std::byte, kBlobDataOffset> bytes;
};

io::MutableBytes writable(std::string& text) {
  return std::as_writable_bytes(std::span(text));
}

}  // namespace

io::Task<Result<std::unique_ptr<BlobFileWriter>>> BlobFileWriter::create(
    io::FileSystem& files, BlobName name, std::string temporary, std::string final_path,
    std::string final_directory) {
  std::unique_ptr<BlobFileWriter> writer(new BlobFileWriter(files, name));
  writer->temporary_ = std::move(temporary);
  writer->final_path_ = std::move(final_path);
  writer->final_directory_ = std::move(final_directory);
  CAIRN_CO_ASSIGN(writer->file_,
                  co_await files.open(writer->temporary_, io::FileSystem::Open::create_streamed));
  co_return writer;
}

void BlobFileWriter::add_sum(io::Bytes block) {
  const std::uint64_t index = table_.size() / kBlockSumBytes;
  Writer w(kBlockSumBytes);
  w.u64(block_sum(name_, index, block));
  table_.append(w.view());
}

void BlobFileWriter::sum(io::Bytes data) {
  while (!data.empty()) {
    if (partial_.empty() && data.size() >= kShardBlockBytes) {
      add_sum(data.first(kShardBlockBytes));  // the usual case: whole blocks, not copied
      data = data.subspan(kShardBlockBytes);
      continue;
    }
    if (partial_.capacity() == 0) partial_.reserve(kShardBlockBytes);
    const std::size_t take = std::min(data.size(), kShardBlockBytes - partial_.size());
    partial_.insert(partial_.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(take));
    data = data.subspan(take);
    if (partial_.size() < kShardBlockBytes) continue;
    add_sum(partial_);
    partial_.clear();
  }
}

void BlobFileWriter::add_sums(const ShardBytes& data, std::uint64_t bytes) {
  if (data.sums.empty()) {
    for (const auto& piece : data.pieces) sum(piece);
    return;
  }
  CAIRN_ASSERT(partial_.empty() && size_ % kShardBlockBytes == 0 &&
               blob_blocks(bytes) == data.sums.size());
  Writer w(data.sums.size() * kBlockSumBytes);
  for (const std::uint64_t one : data.sums) w.u64(one);
  table_.append(w.view());
}

io::Task<Result<void>> BlobFileWriter::append(ShardBytes shard) {
  std::vector<io::Bytes>& data = shard.pieces;
  std::erase_if(data, [](const auto& piece) { return piece.empty(); });
  std::uint64_t offset = kBlobDataOffset + size_;
  std::uint64_t added = 0;
  for (const auto& piece : data) added += piece.size();
  add_sums(shard, added);
  if (added == 0) co_return Result<void>{};
  std::unique_ptr<HeaderPage> header;
  if (size_ == 0) {
    header = std::make_unique<HeaderPage>(name_);
    data.insert(data.begin(), header->bytes);
    offset = 0;
  }
  size_ += added;
  co_return co_await file_->write_at(offset, std::move(data));
}

io::Task<Result<void>> BlobFileWriter::finish() {
  if (!partial_.empty()) add_sum(partial_);
  partial_.clear();
  CAIRN_ASSERT(table_.size() == blob_blocks(size_) * kBlockSumBytes);
  const std::string header = size_ == 0 ? blob_header(name_) : std::string{};
  const std::string trailer = encode_trailer(name_, {size_, table_sum(table_)});
  std::vector<io::Bytes> pieces;
  for (const std::string_view piece :
       {std::string_view(header), std::string_view(table_), std::string_view(trailer)})
    if (!piece.empty()) pieces.push_back(as_bytes(piece));
  CAIRN_CO_TRY(
      co_await file_->write_at(header.empty() ? blob_table_offset(size_) : 0, std::move(pieces)));
  CAIRN_CO_TRY(co_await file_->sync_data());
  // Only now does it get its name: a name always stands for a whole blob.
  CAIRN_CO_TRY(co_await files_.rename(temporary_, final_path_));
  co_return co_await files_.sync_directory(final_directory_);
}

io::Task<Result<std::unique_ptr<BlobFileReader>>> BlobFileReader::open(io::FileSystem& files,
                                                                       std::string path,
                                                                       BlobName name) {
  std::unique_ptr<BlobFileReader> reader(new BlobFileReader(name));
  CAIRN_CO_ASSIGN(reader->file_, co_await files.open(std::move(path), io::FileSystem::Open::read));
  CAIRN_CO_ASSIGN(const std::uint64_t bytes, co_await reader->file_->size());
  if (bytes < blob_file_bytes(0)) {
    co_return Error{Code::corrupt, "blob " + blob_file_name(name) + ": the file is too short"};
  }
  std::string tail(static_cast<std::size_t>(std::min(tail_bytes(bytes), kTailMax)), '\0');
  CAIRN_CO_TRY(co_await read_exactly(*reader->file_, bytes - tail.size(), writable(tail)));
  const auto trailer = std::string_view(tail).substr(tail.size() - kBlobTrailerBytes);
  CAIRN_CO_ASSIGN(reader->trailer_, decode_trailer(name, trailer, bytes));
  const auto table = static_cast<std::size_t>(blob_blocks(reader->trailer_.size) * kBlockSumBytes);
  if (table + kBlobTrailerBytes > tail.size()) {
    tail.resize(table);
    CAIRN_CO_TRY(co_await read_exactly(*reader->file_, blob_table_offset(reader->trailer_.size),
                                       writable(tail)));
  }
  CAIRN_ASSERT(tail.size() == table || tail.size() == table + kBlobTrailerBytes);
  tail.resize(table);
  if (table_sum(tail) != reader->trailer_.table_sum)
    co_return Error{Code::corrupt, "blob " + blob_file_name(name) + ": its checksums are damaged"};
  reader->table_ = std::move(tail);
  co_return reader;
}

io::Task<Result<bool>> BlobFileReader::still_there() const {
  CAIRN_CO_ASSIGN(const io::FileInfo about, co_await file_->info());
  co_return about.named&& about.bytes == blob_file_bytes(trailer_.size);
}

io::Task<Result<io::Bytes>> BlobFileReader::read(std::uint64_t offset, std::size_t length,
                                                 io::MutableBytes into) const {
  CAIRN_CO_TRY(check_shard_read(trailer_.size, offset, length, into));
  if (length == 0) co_return io::Bytes{};
  const std::uint64_t first = offset / kShardBlockBytes;
  const std::uint64_t begin = first * kShardBlockBytes;
  const std::uint64_t end =
      std::min<std::uint64_t>(trailer_.size, shard_read_room(offset, length) + begin);
  const auto blocks = into.first(static_cast<std::size_t>(end - begin));
  CAIRN_CO_TRY(co_await read_exactly(*file_, kBlobDataOffset + begin, blocks));
  if (const auto block = damaged_block(name_, table_, first, blocks))
    co_return Error{Code::corrupt, "blob " + blob_file_name(name_) + ": block " +
                                       std::to_string(*block) + " is damaged"};
  co_return io::Bytes(blocks.subspan(static_cast<std::size_t>(offset - begin), length));
}

}  // namespace cairn::drive
