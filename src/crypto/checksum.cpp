// S3's checksum algorithms over one interface.
#include <array>

#include "base/assert.h"
#include "crypto/crc.h"
#include "crypto/digest.h"

namespace cairn::crypto {
namespace {

struct Traits {
  Checksum algorithm;
  std::string_view name;
  std::size_t bytes;
  bool is_crc;
};
constexpr std::array<Traits, 5> kTraits = {{
    {Checksum::crc32, "CRC32", 4, true},
    {Checksum::crc32c, "CRC32C", 4, true},
    {Checksum::crc64nvme, "CRC64NVME", 8, true},
    {Checksum::sha1, "SHA1", 20, false},
    {Checksum::sha256, "SHA256", 32, false},
}};

const Traits& traits(Checksum algorithm) {
  const auto index = static_cast<std::size_t>(algorithm) - 1;
  CAIRN_ASSERT(index < kTraits.size());
  return kTraits[index];
}

template <class Word>
std::string to_big_endian(Word value) {
  std::string out(sizeof value, '\0');
  for (std::size_t i = out.size(); i-- > 0; value = static_cast<Word>(value >> 8))
    out[i] = static_cast<char>(value & 0xFF);
  return out;
}

template <class Word>
Word from_big_endian(std::string_view raw) {
  CAIRN_ASSERT(raw.size() == sizeof(Word));
  Word value = 0;
  for (const char c : raw) value = static_cast<Word>(value << 8 | static_cast<unsigned char>(c));
  return value;
}

template <class Word, Word (*kUpdate)(Bytes, Word)>
class CrcHasher final : public Hasher {
 public:
  void update(Bytes data) override { value_ = kUpdate(data, value_); }
  std::string finish() override { return to_big_endian(value_); }

 private:
  Word value_ = 0;
};

template <class Word, Word (*kCombine)(Word, Word, std::uint64_t)>
std::string combine(std::string_view a, std::string_view b, std::uint64_t length_b) {
  return to_big_endian(kCombine(from_big_endian<Word>(a), from_big_endian<Word>(b), length_b));
}

bool equal_ignoring_case(std::string_view text, std::string_view upper) {
  if (text.size() != upper.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'a' && text[i] <= 'z' ? static_cast<char>(text[i] - 32) : text[i];
    if (c != upper[i]) return false;
  }
  return true;
}

}  // namespace

std::size_t checksum_bytes(Checksum algorithm) {
  return traits(algorithm).bytes;
}
std::string_view checksum_name(Checksum algorithm) {
  return traits(algorithm).name;
}
bool checksum_is_crc(Checksum algorithm) {
  return traits(algorithm).is_crc;
}

std::optional<Checksum> parse_checksum(std::string_view name) {
  for (const auto& t : kTraits)
    if (equal_ignoring_case(name, t.name)) return t.algorithm;
  return std::nullopt;
}

std::string combine_crc(Checksum algorithm, std::string_view a, std::string_view b,
                        std::uint64_t length_b) {
  switch (algorithm) {
    case Checksum::crc32:
      return combine<std::uint32_t, combine_crc32>(a, b, length_b);
    case Checksum::crc32c:
      return combine<std::uint32_t, combine_crc32c>(a, b, length_b);
    case Checksum::crc64nvme:
      return combine<std::uint64_t, combine_crc64nvme>(a, b, length_b);
    case Checksum::sha1:
    case Checksum::sha256:
      break;
  }
  CAIRN_ASSERT(checksum_is_crc(algorithm));
  return {};
}

std::unique_ptr<Hasher> make_checksum(Checksum algorithm) {
  switch (algorithm) {
    case Checksum::crc32:
      return std::make_unique<CrcHasher<std::uint32_t, crc32>>();
    case Checksum::crc32c:
      return std::make_unique<CrcHasher<std::uint32_t, crc32c>>();
    case Checksum::crc64nvme:
      return std::make_unique<CrcHasher<std::uint64_t, crc64nvme>>();
    case Checksum::sha1:
      return make_sha1();
    case Checksum::sha256:
      break;
  }
  return make_sha256();
}

std::string checksum_of(Checksum algorithm, Bytes data) {
  const auto text = [](const auto& digest) {
    return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
  };
  switch (algorithm) {
    case Checksum::crc32:
      return to_big_endian(crc32(data));
    case Checksum::crc32c:
      return to_big_endian(crc32c(data));
    case Checksum::crc64nvme:
      return to_big_endian(crc64nvme(data));
    case Checksum::sha1:
      return text(sha1(data));
    case Checksum::sha256:
      break;
  }
  return text(sha256(data));
}

}  // namespace cairn::crypto
