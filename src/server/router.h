// Which half of the server a request is for. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "net/http.h"

namespace cairn::server {

enum class Destination { s3, admin };

// `domains`: as s3::Options has them, any case. See server/server.h for the rule.
Destination destination_of(const net::Request& request, const std::vector<std::string>& domains);

}  // namespace cairn::server
