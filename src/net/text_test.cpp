// Headers, URIs and dates: pure values.
#include <gtest/gtest.h>

#include "net/http.h"

namespace cairn::net {
namespace {

TEST(Headers, CompareNamesWithoutCaseAndKeepOrder) {
  Headers headers;
  headers.add("X-One", "1");
  headers.add("x-two", "2");
  headers.add("X-ONE", "3");
  EXPECT_EQ(headers.get("x-one"), "1");
  EXPECT_EQ(headers.joined("X-one"), "1,3");
  EXPECT_EQ(headers.joined("absent"), "");
  EXPECT_FALSE(headers.get("absent"));
  headers.set("x-One", "4");
  ASSERT_EQ(headers.fields().size(), 2u);
  EXPECT_EQ(headers.get("X-One"), "4");
  headers.remove("X-TWO");
  EXPECT_FALSE(headers.get("x-two"));
  headers.set("new", "5");
  EXPECT_EQ(headers.fields().back().second, "5");
}

TEST(Uri, PercentDecoding) {
  EXPECT_EQ(percent_decode("a%20b%2fc+d"), "a b/c+d");
  EXPECT_EQ(percent_decode("%00%ff"), std::string("\0\xff", 2));
  EXPECT_EQ(percent_decode(""), "");
  for (const auto* bad : {"%", "%1", "a%2", "%g0", "%0g", "%%20", "% 20"})
    EXPECT_FALSE(percent_decode(bad)) << bad;
}

TEST(Uri, PercentEncoding) {
  EXPECT_EQ(percent_encode("AZaz09-._~", false), "AZaz09-._~");
  EXPECT_EQ(percent_encode("a/b c+d", false), "a%2Fb%20c%2Bd");
  EXPECT_EQ(percent_encode("a/b*'()!", true), "a/b%2A%27%28%29%21");
  EXPECT_EQ(percent_encode("\xc3\xa4", true), "%C3%A4");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all, false)), all);
}

TEST(Uri, QueryPairsInOrder) {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(parse_query(""), Pairs{});
  EXPECT_EQ(parse_query("uploads"), (Pairs{{"uploads", ""}}));
  EXPECT_EQ(parse_query("b=2&a=%2F&b=x=y&&c=+1"),
            (Pairs{{"b", "2"}, {"a", "/"}, {"b", "x=y"}, {"c", " 1"}}));
  EXPECT_FALSE(parse_query("a=%zz"));
  EXPECT_FALSE(parse_query("%=1"));
}

TEST(Date, WritesThePreferredForm) {
  EXPECT_EQ(http_date(784111777000), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(784111777999), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date(951782400000), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
}

TEST(Date, ReadsAllThreeForms) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777000);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777000);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), 784111777000);
  EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994"), 784975777000);
  EXPECT_EQ(parse_http_date(" Sun, 06 Nov 1994 08:49:37 GMT "), 784111777000);
  for (std::int64_t day = 0; day < 40'000; day += 17) {
    const std::int64_t ms = (day * 86'400 + day % 86'400) * 1000;
    EXPECT_EQ(parse_http_date(http_date(ms)), ms);
  }
}

TEST(Date, RefusesWhatIsNone) {
  for (const auto* bad :
       {"", "now", "Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMTx", "Sun, 06 Nov 94 08:49:37 GMT", "1994-11-06T08:49:37Z",
        "Sun, 00 Nov 1994 08:49:37 GMT", "sun, 06 nov 1994 08:49:37 gmt"})
    EXPECT_FALSE(parse_http_date(bad)) << bad;
}

}  // namespace
}  // namespace cairn::net
