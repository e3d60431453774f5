// What the metrics page tells of drives and memory, brought up to date when the page is asked for.
// Private to admin.
#pragma once

#include "admin/service.h"

namespace cairn::admin {

void refresh_gauges(metrics::Registry& registry, const Status& status);
void refresh_gauges(metrics::Registry& registry, const Readiness& readiness);

}  // namespace cairn::admin
