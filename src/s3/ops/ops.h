// The operations of S3 that are served, each in the file of its name. All have the same contract:
// names are checked, the caller is authorized for the action of the route (router.cpp), headers
// without meaning here were refused; an error means that nothing was done unless its code says that
// the outcome is unknown.
#pragma once

#include "s3/context.h"

namespace cairn::s3::ops {

using Answer = io::Task<Result<net::Response>>;

Answer list_buckets(Context& c);
Answer create_bucket(Context& c);
Answer head_bucket(Context& c);
Answer get_bucket_location(Context& c);
Answer delete_bucket(Context& c);
Answer get_bucket_versioning(Context& c);
Answer put_bucket_versioning(Context& c);
Answer get_bucket_tagging(Context& c);
Answer put_bucket_tagging(Context& c);
Answer delete_bucket_tagging(Context& c);

Answer list_objects(Context& c);
Answer list_objects_v2(Context& c);
Answer list_object_versions(Context& c);

Answer put_object(Context& c);
Answer get_object(Context& c);
Answer head_object(Context& c);
Answer delete_object(Context& c);
Answer delete_objects(Context& c);
Answer copy_object(Context& c);
Answer get_object_attributes(Context& c);
Answer get_object_tagging(Context& c);
Answer put_object_tagging(Context& c);
Answer delete_object_tagging(Context& c);

Answer create_multipart_upload(Context& c);
Answer upload_part(Context& c);
Answer upload_part_copy(Context& c);
Answer complete_multipart_upload(Context& c);
Answer abort_multipart_upload(Context& c);
Answer list_parts(Context& c);
Answer list_multipart_uploads(Context& c);

}  // namespace cairn::s3::ops
