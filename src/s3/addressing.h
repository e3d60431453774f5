// Which bucket and key a request is about: path-style (/bucket/key) and virtual-host-style
// (bucket.domain).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::s3 {

enum class Level : unsigned char { service, bucket, object };

struct Target {
  Level level = Level::service;
  std::string bucket{};       // decoded, not yet checked; empty at the service
  std::string key{};          // decoded, not yet checked
  bool virtual_host = false;  // the bucket came from the Host header
};

// `path` as sent, percent-encoded, starting with '/'; `host` as sent, may have a port. Domains are
// lower case. invalid_uri when the path cannot be decoded.
Result<Target> parse_target(std::string_view path, std::string_view host,
                            const std::vector<std::string>& domains);

// The bucket that `host` names under one of `domains`; empty if it names none.
std::string bucket_of_host(std::string_view host, const std::vector<std::string>& domains);

}  // namespace cairn::s3
