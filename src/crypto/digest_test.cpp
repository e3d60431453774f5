#include "crypto/digest.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <random>

namespace cairn::crypto {
namespace {

template <class Array>
std::string hex(const Array& a) {
  return to_hex(std::as_bytes(std::span(a)));
}

std::string openssl(const EVP_MD* md, std::string_view data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_Digest(data.data(), data.size(), out, &length, md, nullptr);
  return {reinterpret_cast<char*>(out), length};
}

TEST(Digest, KnownVectors) {
  EXPECT_EQ(hex(md5({})), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex(md5(as_bytes("abc"))), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex(sha1(as_bytes("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, HmacVectorsOfRfc4231) {
  EXPECT_EQ(hex(hmac_sha256(as_bytes(std::string(20, '\x0b')), as_bytes("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256(as_bytes(std::string(131, '\xaa')),
                            as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Digest, AgreesWithOpensslOnRandomInputAndSplits) {
  std::mt19937_64 rng(1);
  for (int round = 0; round < 300; ++round) {
    std::string data(rng() % 4'000, '\0');
    for (auto& c : data) c = static_cast<char>(rng());
    const auto md5_hasher = make_md5(), sha1_hasher = make_sha1(), sha256_hasher = make_sha256();
    for (std::string_view left = data; !left.empty();) {
      const std::size_t n = std::min<std::size_t>(left.size(), rng() % 600);
      for (auto* h : {md5_hasher.get(), sha1_hasher.get(), sha256_hasher.get()})
        h->update(as_bytes(left.substr(0, n)));
      left.remove_prefix(n);
    }
    EXPECT_EQ(md5_hasher->finish(), openssl(EVP_md5(), data));
    EXPECT_EQ(sha1_hasher->finish(), openssl(EVP_sha1(), data));
    EXPECT_EQ(sha256_hasher->finish(), openssl(EVP_sha256(), data));
    EXPECT_EQ(hex(md5(as_bytes(data))), to_hex(as_bytes(openssl(EVP_md5(), data))));
    EXPECT_EQ(hex(sha256(as_bytes(data))), to_hex(as_bytes(openssl(EVP_sha256(), data))));
    const auto key = data.substr(0, rng() % 200);
    unsigned char mac[32];
    unsigned length = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(data.data()), data.size(), mac, &length);
    EXPECT_EQ(hex(hmac_sha256(as_bytes(key), as_bytes(data))),
              to_hex(std::as_bytes(std::span(mac))));
  }
}

TEST(Xxh3, ValuesArePinned) {
  // On disk and in placement: lengths on all of the algorithm's paths.
  std::string data(5'000, '\0');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 131 + 7);
  EXPECT_EQ(xxh3_64({}), 0x2D06800538D394C2ull);
  const std::pair<std::size_t, std::uint64_t> expected[] = {
      {1, 0x0A187BF012ECA100ull},    {3, 0x09B2077206B1496Dull},    {4, 0x5C4C63133443D03Full},
      {8, 0xF9FD4DD0B04D78F5ull},    {9, 0xF495C810D169A686ull},    {16, 0x86ABF6BACCEA0858ull},
      {17, 0x426160E58ECD06D5ull},   {64, 0x1291D2D4042330DDull},   {128, 0x10D17F72C0CCBA41ull},
      {129, 0x955A5A636A9B3FCEull},  {200, 0xC0FBC0F4E181C826ull},  {240, 0xB6CFAF343FAB81E6ull},
      {241, 0xC4EA650F07C84B7Cull},  {511, 0x179D3D5479400E3Dull},  {1024, 0x70BD377D9574F4BBull},
      {1025, 0x1A123FAA74E9CD4Bull}, {4096, 0x9DDD66C14AF0DAFFull}, {5000, 0xE4007929540F095Cull}};
  for (const auto& [length, value] : expected)
    EXPECT_EQ(xxh3_64(as_bytes(data).first(length), length % 2), value) << length;
}

}  // namespace
}  // namespace cairn::crypto
