#include "auth/auth.h"

namespace cairn::auth {
namespace {

class RootCredentials final : public Credentials {
 public:
  RootCredentials(std::string access_key, std::string secret)
      : access_key_(std::move(access_key)), secret_(std::move(secret)) {}
  std::optional<Found> find(std::string_view access_key) const override {
    if (access_key.empty() || access_key != access_key_) return std::nullopt;
    return Found{Identity{.access_key = access_key_, .user = access_key_, .root = true}, secret_};
  }

 private:
  const std::string access_key_;
  const std::string secret_;
};

class RootOnlyPolicy final : public Policy {
 public:
  Result<void> decide(const Identity& identity, const Action&) const override {
    if (identity.root && !identity.anonymous()) return {};
    return Error(Code::access_denied, "Access Denied");
  }
};

}  // namespace

std::unique_ptr<Credentials> root_credentials(std::string access_key, std::string secret) {
  return std::make_unique<RootCredentials>(std::move(access_key), std::move(secret));
}

std::unique_ptr<Policy> root_only_policy() {
  return std::make_unique<RootOnlyPolicy>();
}

}  // namespace cairn::auth
