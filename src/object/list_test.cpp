#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "object/testing/world.h"

namespace cairn::object {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::World;

std::vector<std::string> keys(const ListPage& page) {
  std::vector<std::string> out;
  for (const ListedObject& o : page.objects) out.emplace_back(o.key);
  return out;
}

struct ListTest : ::testing::Test {
  void put(const std::vector<std::string>& names) {
    for (const std::string& name : names) ASSERT_TRUE(w.put(name, "t"));
  }
  ListPage list(ListRequest request) {
    auto page = w.run(w.objects->list(std::move(request)));
    EXPECT_TRUE(page) << page.error().message;
    return std::move(*page);
  }
  // All pages of `size` entries, as one line; fails if they do not come in order.
  std::string walk(std::string prefix, std::string delimiter, std::size_t size) {
    std::string out, after;
    for (int guard = 0; guard < 1000; ++guard) {
      ListPage page = list({w.bucket, prefix, delimiter, after, size});
      std::vector<std::string> entries = keys(page);
      entries.insert(entries.end(), page.common_prefixes.begin(), page.common_prefixes.end());
      std::ranges::sort(entries);
      EXPECT_LE(entries.size(), size);
      for (const std::string& e : entries) {
        EXPECT_GT(e, after);
        out += e + " ";
      }
      if (!page.truncated) return out;
      EXPECT_EQ(entries.size(), size);
      EXPECT_EQ(page.next, entries.back());
      after = page.next;
    }
    ADD_FAILURE() << "the listing does not end";
    return out;
  }
  World w;
};

TEST_F(ListTest, KeysInByteOrder) {
  put({"b", "a/b/c", "a/b", "a", "ä", "a//x", "a\x01", std::string("a\0b", 3), "B"});
  EXPECT_THAT(keys(list({w.bucket})), ElementsAre("B", "a", std::string("a\0b", 3), "a\x01", "a//x",
                                                  "a/b", "a/b/c", "b", "ä"));
  EXPECT_THAT(keys(list({w.bucket, "a/"})), ElementsAre("a//x", "a/b", "a/b/c"));
  EXPECT_THAT(keys(list({w.bucket, "c"})), IsEmpty());
}

TEST_F(ListTest, ShowsWhatALineNeeds) {
  ASSERT_TRUE(w.put("k", "text"));
  const ListPage page = list({w.bucket});
  ASSERT_EQ(page.objects.size(), 1u);
  EXPECT_EQ(page.objects[0].size, 4u);
  EXPECT_EQ(page.objects[0].etag, w.get("k")->info.etag);
  EXPECT_EQ(page.objects[0].modified_ms, w.get("k")->info.modified_ms);
  EXPECT_EQ(page.objects[0].meta.checksum->algorithm, crypto::Checksum::crc64nvme);
  EXPECT_EQ(page.objects[0].storage_class, "");
}

TEST_F(ListTest, Delimiters) {
  put({"a", "d/1", "d/2", "d/e/3", "z"});
  ListPage page = list({w.bucket, "", "/"});
  EXPECT_THAT(keys(page), ElementsAre("a", "z"));
  EXPECT_THAT(page.common_prefixes, ElementsAre("d/"));
  page = list({w.bucket, "d/", "/"});
  EXPECT_THAT(keys(page), ElementsAre("d/1", "d/2"));
  EXPECT_THAT(page.common_prefixes, ElementsAre("d/e/"));
  page = list({w.bucket, "d", "/"});
  EXPECT_THAT(page.common_prefixes, ElementsAre("d/"));
  page = list({w.bucket, "", "/e/"});
  EXPECT_THAT(page.common_prefixes, ElementsAre("d/e/"));
  EXPECT_THAT(keys(page), ElementsAre("a", "d/1", "d/2", "z"));
  page = list({w.bucket, "d/e/3", "/"});
  EXPECT_THAT(keys(page), ElementsAre("d/e/3"));
}

TEST_F(ListTest, Pages) {
  put({"a", "d/1", "d/2", "e/1", "f", "g/1", "g/2"});
  for (std::size_t size = 1; size < 9; ++size) {
    w.store.max_page_units = size % 3 + 1;
    EXPECT_EQ(walk("", "/", size), "a d/ e/ f g/ ") << size;
    EXPECT_EQ(walk("", "", size), "a d/1 d/2 e/1 f g/1 g/2 ") << size;
    EXPECT_EQ(walk("d/", "/", size), "d/1 d/2 ") << size;
  }
}

TEST_F(ListTest, AfterIsExclusiveAndSkipsTheCommonPrefixItLiesIn) {
  put({"a", "d/1", "d/2", "e"});
  EXPECT_THAT(keys(list({w.bucket, "", "", "a"})), ElementsAre("d/1", "d/2", "e"));
  EXPECT_THAT(keys(list({w.bucket, "", "", "a0"})), ElementsAre("d/1", "d/2", "e"));
  EXPECT_THAT(keys(list({w.bucket, "", "", "zz"})), IsEmpty());
  EXPECT_THAT(keys(list({w.bucket, "d/", "", "a"})), ElementsAre("d/1", "d/2"));
  EXPECT_THAT(keys(list({w.bucket, "d/", "", "e"})), IsEmpty());
  EXPECT_THAT(list({w.bucket, "", "/", "d"}).common_prefixes, ElementsAre("d/"));
  EXPECT_THAT(list({w.bucket, "", "/", "d/"}).common_prefixes, IsEmpty());
  EXPECT_THAT(keys(list({w.bucket, "", "/", "d/1"})), ElementsAre("e"));
}

TEST_F(ListTest, NoKeysAskedForAndExactlyFull) {
  put({"a", "b"});
  EXPECT_FALSE(list({w.bucket, "", "", "", 0}).truncated);
  EXPECT_TRUE(list({w.bucket, "", "", "", 1}).truncated);
  EXPECT_FALSE(list({w.bucket, "", "", "", 2}).truncated);
  // A page that ends with a common prefix is the last one if all that follows lies beneath it.
  put({"c/1", "c/2", "c/3"});
  EXPECT_FALSE(list({w.bucket, "", "/", "", 3}).truncated);
  EXPECT_TRUE(list({w.bucket, "", "/", "", 2}).truncated);
}

TEST_F(ListTest, CommonPrefixesArePassedBySeeking) {
  std::vector<std::string> many;
  for (int i = 0; i < 2000; ++i) many.push_back("big/" + std::to_string(i));
  many.push_back("last");
  put(many);
  w.store.scanned_units = 0;
  const ListPage page = list({w.bucket, "", "/"});
  EXPECT_THAT(page.common_prefixes, ElementsAre("big/"));
  EXPECT_THAT(keys(page), ElementsAre("last"));
  EXPECT_LT(w.store.scanned_units, 100u);
}

TEST_F(ListTest, APageCostsWhatItHolds) {
  std::vector<std::string> many;
  for (int i = 0; i < 3000; ++i) many.push_back("k" + std::to_string(i));
  put(many);
  w.store.scans = w.store.scanned_units = 0;
  EXPECT_TRUE(list({w.bucket}).truncated);
  EXPECT_EQ(w.store.scans, 1u);
  EXPECT_EQ(w.store.scanned_units, 1001u);
}

// lessons: "live keys hidden behind delete markers".
TEST_F(ListTest, MarkersHideNoLiveKeys) {
  w.set_versioning(Versioning::enabled);
  w.store.max_page_units = 3;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(w.put("gone" + std::to_string(i), "t"));
    ASSERT_TRUE(w.remove("gone" + std::to_string(i)));
  }
  put({"live", "zlive"});
  EXPECT_EQ(walk("", "", 1), "live zlive ");
}

// lessons: "Timeout or short read taken for end of list".
TEST_F(ListTest, AFailedReadIsNotTheEnd) {
  put({"a", "b"});
  w.store.next_scan = Error{Code::timeout, "no answer"};
  EXPECT_EQ(w.run(w.objects->list({w.bucket})).code(), Code::timeout);
  w.store.next_scan = Error{Code::unavailable, "no quorum"};
  EXPECT_EQ(w.run(w.objects->list_versions({w.bucket})).code(), Code::unavailable);
}

TEST_F(ListTest, AgainstAModel) {
  std::set<std::string> model;
  const std::string letters = "ab/";
  for (int i = 0; i < 150; ++i) {
    std::string key;
    const std::size_t n = 1 + w.random->next_u64() % 5;
    for (std::size_t j = 0; j < n; ++j) key += letters[w.random->next_u64() % 3];
    model.insert(key);
    ASSERT_TRUE(w.put(key, "t"));
  }
  w.store.max_page_units = 7;
  for (const std::string prefix : {"", "a", "a/", "/", "b//"}) {
    for (const std::string delimiter : {"", "/", "a", "b/"}) {
      std::set<std::string> entries;
      for (const std::string& key : model) {
        if (!key.starts_with(prefix)) continue;
        const auto at = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
        entries.insert(at == std::string::npos ? key : key.substr(0, at + delimiter.size()));
      }
      std::string expected;
      for (const std::string& e : entries) expected += e + " ";
      for (const std::size_t size : {1, 2, 5, 1000}) {
        EXPECT_EQ(walk(prefix, delimiter, size), expected)
            << prefix << "|" << delimiter << "|" << size;
      }
    }
  }
}

// ---- versions

struct ListVersionsTest : ListTest {
  // Pages of `size`, as "key=version-or-marker" in order.
  std::vector<std::string> walk_versions(std::string prefix, std::string delimiter,
                                         std::size_t size) {
    std::vector<std::string> out;
    ListVersionsRequest request{w.bucket, prefix, delimiter};
    request.max_keys = size;
    for (int guard = 0; guard < 1000; ++guard) {
      auto page = w.run(w.objects->list_versions(request));
      EXPECT_TRUE(page) << page.error().message;
      for (const ListedObject& v : page->versions) {
        out.push_back(std::string(v.key) + (v.version.null ? ":null" : "") +
                      (v.delete_marker ? ":marker" : "") + (v.is_latest ? ":latest" : ""));
      }
      for (const std::string& common : page->common_prefixes) out.push_back(common);
      if (!page->truncated) return out;
      request.key_marker = page->next_key;
      request.version_marker = page->next_version;
    }
    ADD_FAILURE() << "the listing does not end";
    return out;
  }
};

TEST_F(ListVersionsTest, AllOfThemNewestFirst) {
  put({"a", "b"});
  w.set_versioning(Versioning::enabled);
  put({"b", "b", "c"});
  ASSERT_TRUE(w.remove("b"));
  w.set_versioning(Versioning::suspended);
  put({"c"});
  const std::vector<std::string> expected{"a:null:latest", "b:marker:latest", "b", "b",
                                          "b:null",        "c:null:latest",   "c"};
  for (std::size_t size = 1; size <= 8; ++size) {
    w.store.max_page_units = size % 2 + 1;
    EXPECT_EQ(walk_versions("", "", size), expected) << size;
  }
  EXPECT_EQ(walk_versions("c", "", 1), (std::vector<std::string>{"c:null:latest", "c"}));
}

TEST_F(ListVersionsTest, Delimiters) {
  w.set_versioning(Versioning::enabled);
  put({"a", "d/1", "d/1", "d/2", "e", "e"});
  ASSERT_TRUE(w.remove("d/2"));
  for (std::size_t size : {1, 2, 3, 10}) {
    auto got = walk_versions("", "/", size);
    std::ranges::sort(got);
    EXPECT_THAT(got, ElementsAre("a:latest", "d/", "e", "e:latest")) << size;
  }
}

TEST_F(ListVersionsTest, MarkersWhoseVersionIsGone) {
  w.set_versioning(Versioning::enabled);
  put({"k"});
  auto second = w.put("k", "2");
  auto third = w.put("k", "3");
  ListVersionsRequest request{w.bucket};
  request.key_marker = "k";
  request.version_marker = second->version;
  ASSERT_TRUE(w.remove("k", second->version));
  auto page = w.run(w.objects->list_versions(request));
  EXPECT_EQ(page->versions.size(), 1u);  // the oldest one still follows
  request.version_marker.reset();
  EXPECT_THAT(w.run(w.objects->list_versions(request))->versions, IsEmpty());
  request.key_marker = "k";
  request.version_marker = VersionId::null_version();  // never was: nothing is skipped
  EXPECT_EQ(w.run(w.objects->list_versions(request))->versions.size(), 2u);
  request.key_marker.clear();
  EXPECT_EQ(w.run(w.objects->list_versions(request)).code(), Code::invalid_argument);
  EXPECT_TRUE(third);
}

// ---- uploads

TEST_F(ListTest, Uploads) {
  std::vector<UploadId> of_b;
  w.create_upload("a");
  for (int i = 0; i < 3; ++i) {
    of_b.push_back(w.create_upload("b"));
    w.executor.run_for(std::chrono::seconds(1));
  }
  w.create_upload("d/1");
  w.create_upload("d/2");
  const auto walk_uploads = [&](std::string delimiter, std::size_t size) {
    std::vector<std::string> out;
    ListUploadsRequest request{w.bucket, "", std::move(delimiter)};
    request.max_uploads = size;
    for (int guard = 0; guard < 100; ++guard) {
      auto page = w.run(w.objects->list_uploads(request));
      EXPECT_TRUE(page);
      for (const UploadInfo& u : page->uploads) {
        const auto at = std::ranges::find(of_b, u.upload);
        out.push_back(u.key + (u.key == "b" ? std::to_string(at - of_b.begin()) : ""));
      }
      for (const std::string& common : page->common_prefixes) out.push_back(common);
      if (!page->truncated) return out;
      request.key_marker = page->next_key;
      request.upload_marker = page->next_upload;
    }
    return out;
  };
  for (std::size_t size = 1; size < 8; ++size) {
    EXPECT_THAT(walk_uploads("", size), ElementsAre("a", "b0", "b1", "b2", "d/1", "d/2")) << size;
    EXPECT_THAT(walk_uploads("/", size), ElementsAre("a", "b0", "b1", "b2", "d/")) << size;
  }
  ListUploadsRequest after{w.bucket};
  after.key_marker = "b";
  EXPECT_EQ(w.run(w.objects->list_uploads(after))->uploads.size(), 2u);
}

}  // namespace
}  // namespace cairn::object
