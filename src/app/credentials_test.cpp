#include "app/credentials.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace cairn::app {
namespace {

class CredentialsTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/cairn-credentials-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    file_ = folder_ + "/sub/credentials";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_, file_;
  std::unique_ptr<io::Random> random_ = io::seeded_random(7);
};

TEST_F(CredentialsTest, FirstStartMakesThemAndTheNextReadsTheSame) {
  auto first = root_credentials("", "", file_, *random_);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->generated);
  EXPECT_EQ(first->access_key.size(), 20u);
  EXPECT_EQ(first->secret.size(), 40u);
  struct stat info{};
  ASSERT_EQ(::stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  auto second = root_credentials("", "", file_, *random_);
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->generated);
  EXPECT_EQ(second->access_key, first->access_key);
  EXPECT_EQ(second->secret, first->secret);
}

TEST_F(CredentialsTest, TheEnvironmentWins) {
  auto set = root_credentials("admin", "long-enough", file_, *random_);
  ASSERT_TRUE(set);
  EXPECT_EQ(set->access_key, "admin");
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(CredentialsTest, HalfConfiguredWeakOrExposedOnesAreRefused) {
  EXPECT_FALSE(root_credentials("admin", "", file_, *random_));
  EXPECT_FALSE(root_credentials("", "long-enough", file_, *random_));
  EXPECT_FALSE(root_credentials("admin", "short", file_, *random_));
  EXPECT_FALSE(root_credentials("a/b", "long-enough", file_, *random_));
  ASSERT_TRUE(root_credentials("", "", file_, *random_));
  ::chmod(file_.c_str(), 0644);
  auto exposed = root_credentials("", "", file_, *random_);
  ASSERT_FALSE(exposed);
  EXPECT_NE(exposed.error().message.find("chmod 600"), std::string::npos);
}

TEST_F(CredentialsTest, AnIncompleteFileIsAnError) {
  std::filesystem::create_directories(folder_ + "/sub");
  std::ofstream(file_) << "[default]\naws_access_key_id = X\n";
  ::chmod(file_.c_str(), 0600);
  EXPECT_FALSE(root_credentials("", "", file_, *random_));
}

}  // namespace
}  // namespace cairn::app
