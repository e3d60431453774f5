#include "drive/lent_values.h"

#include <cstdlib>
#include <cstring>

#include "base/assert.h"

namespace cairn::drive {
namespace {

struct Value {
  std::size_t size;
  std::byte* bytes() { return reinterpret_cast<std::byte*>(this + 1); }
};

void let_go(const rocksdb::Slice&, void* value) {
  std::free(value);
}

// Other keys of the cache are 16 bytes long.
class CacheKey {
 public:
  explicit CacheKey(std::string_view key) {
    CAIRN_ASSERT(key.size() == LentValues::kKeyBytes);
    room_[0] = 'v';
    std::memcpy(room_.data() + 1, key.data(), key.size());
  }
  rocksdb::Slice slice() const { return {room_.data(), room_.size()}; }

 private:
  std::array<char, LentValues::kKeyBytes + 1> room_;
};

struct Lent {
  std::shared_ptr<rocksdb::Cache> cache;
  rocksdb::Cache::Handle* handle;
  Lent(std::shared_ptr<rocksdb::Cache> c, rocksdb::Cache::Handle* h)
      : cache(std::move(c)), handle(h) {}
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;
  ~Lent() { cache->Release(handle); }
};

}  // namespace

io::Slice LentValues::lend(rocksdb::Cache::Handle* handle) const {
  auto* const value = static_cast<Value*>(cache_->Value(handle));
  const io::Bytes bytes(value->bytes(), value->size);
  return io::Slice{std::make_shared<Lent>(cache_, handle), bytes};
}

std::optional<io::Slice> LentValues::find(std::string_view key) const {
  auto* const handle = cache_->Lookup(CacheKey(key).slice());
  if (handle == nullptr) return std::nullopt;
  return lend(handle);
}

std::optional<io::Slice> LentValues::keep(std::string_view key, io::Bytes bytes,
                                          std::uint64_t version) const {
  const std::size_t whole = sizeof(Value) + bytes.size();
  auto* const value = static_cast<Value*>(std::malloc(whole));
  CAIRN_ASSERT(value != nullptr);
  value->size = bytes.size();
  if (!bytes.empty()) std::memcpy(value->bytes(), bytes.data(), bytes.size());
  rocksdb::Cache::Handle* handle = nullptr;
  Guard& guard = this->guard(key);
  std::lock_guard lock(guard.mutex);
  if (guard.version.load() != version) {
    std::free(value);
    return std::nullopt;
  }
  const auto kept = cache_->Insert(CacheKey(key).slice(), value, whole, let_go, &handle);
  CAIRN_ASSERT(kept.ok());  // no strict limit
  return lend(handle);
}

void LentValues::changed(std::string_view key) const {
  Guard& guard = this->guard(key);
  std::lock_guard lock(guard.mutex);
  guard.version.fetch_add(1);
  cache_->Erase(CacheKey(key).slice());
}

}  // namespace cairn::drive
