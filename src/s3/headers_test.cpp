#include "s3/headers.h"

#include <gtest/gtest.h>

#include "s3/addressing.h"
#include "s3/checksums.h"
#include "s3/listing.h"
#include "s3/rfc2047.h"
#include "s3/tags.h"
#include "s3/time_text.h"

namespace cairn::s3 {
namespace {

TEST(Rfc2047, PlainTextStays) {
  for (const std::string_view text : {"", "plain", "a=?b", "x y z", "100% & \"quoted\""}) {
    EXPECT_EQ(encode_header_text(text), text);
    EXPECT_EQ(decode_header_text(text), text);
  }
}

TEST(Rfc2047, NonAsciiTravelsEncoded) {
  EXPECT_EQ(encode_header_text("ÄÖ"), "=?UTF-8?B?w4TDlg==?=");
  EXPECT_EQ(decode_header_text("=?UTF-8?B?w4TDlg==?="), "ÄÖ");
  EXPECT_EQ(decode_header_text("ÄÖ"), "ÄÖ");        // raw UTF-8
  EXPECT_EQ(decode_header_text("\xC4\xD6"), "ÄÖ");  // raw ISO-8859-1
  EXPECT_EQ(decode_header_text("=?utf-8?q?=C3=84_=C3=96?="), "Ä Ö");
  EXPECT_EQ(decode_header_text("=?ISO-8859-1?Q?=C4?="), "Ä");
  EXPECT_EQ(decode_header_text("=?UTF-8?B?w4Q=?= =?UTF-8?B?w5Y=?="),
            "ÄÖ");  // the space between is none
  EXPECT_EQ(decode_header_text("a =?UTF-8?B?w4Q=?= b"), "a Ä b");
}

TEST(Rfc2047, WhatCannotBeDecodedStays) {
  for (const std::string_view text : {"=?", "=?UTF-8?B?", "=?UTF-8?B?!!?=", "=?KOI8-R?B?w4Q=?=",
                                      "=?UTF-8?X?a?=", "=?UTF-8?Q?=C?=", "=?UTF-8?B?/w==?="}) {
    EXPECT_EQ(decode_header_text(text), text);
  }
}

TEST(Rfc2047, NothingCanEndAHeader) {
  const std::string decoded = decode_header_text("=?UTF-8?Q?a=0D=0AEvil:_1?=");
  EXPECT_EQ(decoded, "a\r\nEvil: 1");
  const std::string sent = encode_header_text(decoded);
  EXPECT_EQ(sent.find_first_of("\r\n"), std::string::npos);
  EXPECT_EQ(decode_header_text(sent), decoded);
}

TEST(Range, Forms) {
  const auto range = [](std::string_view text) { return parse_range(text); };
  EXPECT_EQ(range("bytes=0-9")->first, 0u);
  EXPECT_EQ(range("bytes=0-9")->last, 9u);
  EXPECT_EQ(range("bytes=5-")->first, 5u);
  EXPECT_FALSE(range("bytes=5-")->last);
  EXPECT_FALSE(range("bytes=-7")->first);
  EXPECT_EQ(range("bytes=-7")->last, 7u);
  EXPECT_EQ(range("bytes=-0")->last, 0u);
  EXPECT_EQ(range("BYTES=1-2")->first, 1u);
  EXPECT_EQ(range("bytes=99999999999999999999999-")->first, UINT64_MAX);
  for (const std::string_view bad :
       {"", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=1-2,4-5", "items=0-1",
        "bytes=0x1-2", "bytes=+1-2", "bytes=1--2"}) {
    EXPECT_FALSE(range(bad)) << bad;
  }
}

TEST(CopySourceHeader, Forms) {
  EXPECT_EQ(parse_copy_source("/b/k")->key, "k");
  EXPECT_EQ(parse_copy_source("b/a%2Fb%20c%3F")->key, "a/b c?");
  EXPECT_EQ(parse_copy_source("b/k?versionId=null")->version, model::VersionId::null_version());
  EXPECT_EQ(parse_copy_source("b//k")->key, "/k");
  EXPECT_EQ(parse_copy_source("b%2Fa+b%2Bc d")->key, "a b+c d");
  EXPECT_EQ(parse_copy_source("%2Fb%2Fk")->bucket, "b");
  for (const std::string_view bad :
       {"", "/", "b", "/b", "b/", "/b/", "b/%zz", "b/k?versionId=x", "b/k?versionId="}) {
    EXPECT_FALSE(parse_copy_source(bad)) << bad;
  }
  EXPECT_EQ(parse_copy_source("arn:aws:s3:us-east-1:1:accesspoint/a/object/k").code(),
            Code::not_implemented);
}

TEST(Conditions, EtagLists) {
  net::Headers headers;
  headers.add("If-Match", "\"a\", W/\"b,c\" ,d,,*");
  constexpr std::int64_t kNow = 1'700'000'000'000;  // Tue, 14 Nov 2023 22:13:20 GMT
  EXPECT_EQ(parse_read_conditions(headers, kNow).if_match,
            (std::vector<std::string>{"a", "b,c", "d", "*"}));
  EXPECT_EQ(parse_write_conditions(headers).code(), Code::not_implemented);  // one only
  headers.set("If-Match", "\"abc\"");
  EXPECT_EQ(parse_write_conditions(headers)->if_match, "abc");
  headers.add("If-Modified-Since", "yesterday");
  EXPECT_FALSE(parse_read_conditions(headers, kNow).if_modified_since_ms);
  headers.set("If-Modified-Since", "Tue, 14 Nov 2023 22:13:20 GMT");
  EXPECT_EQ(parse_read_conditions(headers, kNow).if_modified_since_ms, kNow);
  EXPECT_FALSE(parse_read_conditions(headers, kNow - 1).if_modified_since_ms);  // not yet
}

TEST(Unsupported, SecurityHeadersAreNeverIgnored) {
  const auto refused = [](std::string name, std::string value) {
    net::Headers headers;
    headers.add(std::move(name), std::move(value));
    return !refuse_unsupported_headers(headers).has_value();
  };
  EXPECT_TRUE(refused("x-amz-server-side-encryption", "AES256"));
  EXPECT_TRUE(refused("X-Amz-Server-Side-Encryption-Customer-Key", "x"));
  EXPECT_TRUE(refused("x-amz-copy-source-server-side-encryption-customer-key", "x"));
  EXPECT_TRUE(refused("x-amz-object-lock-mode", "GOVERNANCE"));
  EXPECT_TRUE(refused("x-amz-grant-read", "uri=everyone"));
  EXPECT_TRUE(refused("x-amz-acl", "public-read"));
  EXPECT_TRUE(refused("x-amz-bucket-object-lock-enabled", "true"));
  EXPECT_TRUE(refused("x-amz-write-offset-bytes", "5"));
  EXPECT_FALSE(refused("x-amz-acl", "private"));
  EXPECT_FALSE(refused("x-amz-acl", "bucket-owner-full-control"));
  EXPECT_FALSE(refused("x-amz-request-payer", "requester"));
  EXPECT_FALSE(refused("x-amz-meta-acl", "public-read"));
}

TEST(Presigned, ParametersStandForHeaders) {
  const auto query = Query::parse(
      "X-Amz-Signature=s&X-Amz-Date=d&x-amz-meta-a=1&X-Amz-Acl=public-read&x-id=P&"
      "x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32");
  net::Headers headers;
  headers.add("X-Amz-Meta-B", "2");
  EXPECT_TRUE(*hoist_presigned_parameters(*query, headers));
  EXPECT_EQ(headers.fields().size(), 3u);
  EXPECT_EQ(headers.get("x-amz-meta-a"), "1");
  EXPECT_EQ(headers.get("x-amz-acl"), "public-read");
}

TEST(Presigned, ParametersCannotSmuggleHeaders) {
  for (const std::string_view text :
       {"x-amz-meta-a=1%0D%0AEvil:1", "x-amz-meta-a%0D%0AEvil:=1", "x-amz-meta-%20=1"}) {
    net::Headers headers;
    EXPECT_FALSE(hoist_presigned_parameters(*Query::parse(text), headers)) << text;
  }
}

TEST(Checksums, Values) {
  EXPECT_TRUE(decode_checksum(crypto::Checksum::crc32, "AAAAAA=="));
  EXPECT_TRUE(decode_checksum(crypto::Checksum::crc32, "AAAAAA==-3"));
  for (const std::string_view bad :
       {"", "AAAA", "AAAAAAAA", "zz", "AAAAAA", "AAAAAA==-", "AAAAAA==-x", "AAAAAA==-0"}) {
    const auto value = decode_checksum(crypto::Checksum::crc32, bad);
    ASSERT_FALSE(value) << bad;
    EXPECT_EQ(value.error().message, "Value for x-amz-checksum-crc32 header is invalid.");
  }
  net::Headers headers;
  headers.add("x-amz-checksum-crc32", "AAAAAA==");
  headers.add("X-Amz-Checksum-Mode", "ENABLED");
  EXPECT_EQ((*checksum_among(headers))->first, crypto::Checksum::crc32);
  headers.add("x-amz-checksum-crc32c", "AAAAAA==");
  EXPECT_EQ(checksum_among(headers).code(), Code::invalid_request);
  net::Headers unknown;
  unknown.add("x-amz-checksum-xxhash64", "AAAA");
  EXPECT_EQ(checksum_among(unknown).code(), Code::not_implemented);
}

TEST(TagHeader, FormsAndLimits) {
  const auto tags = parse_tag_header("a=1&b=x+y%2Bz&c");
  ASSERT_TRUE(tags);
  EXPECT_EQ(*tags, (object::Tags{{"a", "1"}, {"b", "x y+z"}, {"c", ""}}));
  EXPECT_EQ(parse_tag_header("a=1&a=2").code(), Code::invalid_argument);
  EXPECT_EQ(parse_tag_header("=1").code(), Code::invalid_argument);
  EXPECT_EQ(parse_tag_header("=").code(), Code::invalid_argument);
  EXPECT_TRUE(parse_tag_header("&&")->empty());
  EXPECT_EQ(parse_tag_header("aws:x=1").code(), Code::invalid_tag);
  EXPECT_EQ(parse_tag_header("a=%3C").code(), Code::invalid_tag);
  EXPECT_EQ(parse_tag_header("a=%zz").code(), Code::invalid_argument);
  EXPECT_EQ(parse_tag_header("a=" + std::string(257, 'x')).code(), Code::invalid_tag);
  EXPECT_TRUE(parse_tag_header("a=" + std::string(256, 'x')));
  EXPECT_EQ(parse_tag_header(std::string(129, 'x')).code(), Code::invalid_tag);
  EXPECT_EQ(parse_tag_header("a&b&c&d&e&f&g&h&i&j&k").code(), Code::too_many_tags);
}

TEST(Addressing, PathStyle) {
  const auto at = [](std::string_view path) { return *parse_target(path, "localhost:9000", {}); };
  EXPECT_EQ(at("/").level, Level::service);
  EXPECT_EQ(at("/bucket").level, Level::bucket);
  EXPECT_EQ(at("/bucket/").level, Level::bucket);
  EXPECT_EQ(at("/bucket//").key, "/");
  EXPECT_EQ(at("/bucket/a/../b").key, "a/../b");
  EXPECT_EQ(at("/bucket/a%2Fb%00+").key, std::string("a/b\0+", 5));
  EXPECT_EQ(parse_target("/bucket/%zz", "h", {}).code(), Code::invalid_uri);
  EXPECT_EQ(parse_target("/bucket/%", "h", {}).code(), Code::invalid_uri);
  EXPECT_EQ(parse_target("*", "h", {}).code(), Code::invalid_uri);
}

TEST(Addressing, VirtualHostStyle) {
  const std::vector<std::string> domains = {"s3.example.com", "example.com"};
  EXPECT_EQ(bucket_of_host("b.s3.example.com:9000", domains), "b");
  EXPECT_EQ(bucket_of_host("A.B.S3.Example.Com", domains), "a.b");
  EXPECT_EQ(bucket_of_host("s3.example.com", domains), "");
  EXPECT_EQ(bucket_of_host("s3.example.com.", domains), "");
  EXPECT_EQ(bucket_of_host("b.example.com", domains), "b");
  EXPECT_EQ(bucket_of_host("xs3.example.org", domains), "");
  EXPECT_EQ(bucket_of_host("127.0.0.1:9000", domains), "");
  EXPECT_EQ(bucket_of_host("[::1]:9000", domains), "");
  EXPECT_EQ(bucket_of_host(".example.com", domains), "");
  const auto target = *parse_target("/a/b", "bucket.example.com", domains);
  EXPECT_EQ(target.bucket, "bucket");
  EXPECT_EQ(target.key, "a/b");
  EXPECT_EQ(parse_target("/", "bucket.example.com", domains)->level, Level::bucket);
}

TEST(Limits, MaxKeys) {
  EXPECT_EQ(*parse_limit(std::nullopt, "max-keys", 1000, 1000), 1000u);
  EXPECT_EQ(*parse_limit("", "max-keys", 1000, 1000), 1000u);
  EXPECT_EQ(*parse_limit("0", "max-keys", 1000, 1000), 0u);
  EXPECT_EQ(*parse_limit("2000", "max-keys", 1000, 1000), 1000u);
  for (const std::string_view bad :
       {"-1", "x", "1.5", "1 ", "99999999999999999999", "2147483648"}) {
    EXPECT_EQ(parse_limit(bad, "max-keys", 1000, 1000).code(), Code::invalid_argument) << bad;
  }
}

TEST(Times, Iso8601) {
  EXPECT_EQ(iso8601(1'255'369'830'999), "2009-10-12T17:50:30.000Z");
  EXPECT_EQ(iso8601(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(parse_time("2009-10-12T17:50:30.000Z"), 1'255'369'830'000);
  EXPECT_EQ(parse_time("2009-10-12T17:50:30Z"), 1'255'369'830'000);
  EXPECT_EQ(parse_time("2009-10-12T17:50:30.5Z"), 1'255'369'830'500);
  EXPECT_EQ(parse_time("Mon, 12 Oct 2009 17:50:30 GMT"), 1'255'369'830'000);
  for (const std::string_view bad :
       {"", "2009-13-12T17:50:30Z", "2009-10-32T17:50:30Z", "2009-10-12T25:50:30Z",
        "2009-10-12 17:50:30Z", "2009-10-12T17:50:30.Z", "2009-10-12T17:50:3xZ"}) {
    EXPECT_FALSE(parse_time(bad)) << bad;
  }
}

TEST(Listing, UrlEncoding) {
  std::string out;
  append_url_encoded(out, "a b/c+d(3)~\x01ä");
  EXPECT_EQ(out, "a%20b/c%2Bd%283%29~%01%C3%A4");
}

}  // namespace
}  // namespace cairn::s3
