#!/usr/bin/env python3
"""Every S3 operation of Cairn as boto3 sees it, against a started server. Usage: test_boto3.py [unittest arguments]."""
import hashlib
import io
import os
import pathlib
import random
import shutil
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request
import zlib
from urllib.parse import unquote

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.server import REGION, Server  # noqa: E402

from botocore.exceptions import ClientError  # noqa: E402
from botocore.handlers import validate_bucket_name  # noqa: E402

MIB = 1 << 20


class LyingDrive(threading.Thread):
    """Flips a byte of every blob that appears on a drive: what it says it stored is not what it gives back."""

    def __init__(self, drive):
        super().__init__(daemon=True)
        self.drive, self.halt, self.lies = drive, threading.Event(), 0

    def run(self):
        seen = set()
        while not self.halt.wait(0.02):
            for path in self.drive.glob("blobs/*/*"):
                if path in seen:
                    continue
                seen.add(path)
                try:
                    with open(path, "r+b") as blob:
                        blob.seek(4096 + 7)
                        byte = blob.read(1)
                        blob.seek(4096 + 7)
                        blob.write(bytes([byte[0] ^ 0x55]))
                    self.lies += 1
                except (FileNotFoundError, IndexError):
                    pass


def setUpModule():
    """CAIRN_TEST_DRIVES, CAIRN_TEST_OPTIONS, CAIRN_TEST_DEAD_DRIVE and CAIRN_TEST_LYING_DRIVE make other worlds.
    So do the hidden flags of the server, --testing-chunk and --testing-slow-drive."""
    global server, s3, liar
    options = os.environ.get("CAIRN_TEST_OPTIONS", "").split()
    server = Server(drives=int(os.environ.get("CAIRN_TEST_DRIVES", "4")), options=options,
                    environment={"CAIRN_TESTING": "1"}).start()
    dead, lying = os.environ.get("CAIRN_TEST_DEAD_DRIVE"), os.environ.get("CAIRN_TEST_LYING_DRIVE")
    if dead:
        server.stop()
        shutil.rmtree(server.drive(int(dead)))
        server.start()
    liar = LyingDrive(server.drive(int(lying))) if lying else None
    if liar:
        liar.start()
    s3 = server.boto3()


def tearDownModule():
    if liar:
        liar.halt.set()
        liar.join(10)
        assert liar.lies > 10, "the drive hardly lied: this world proves nothing"
    if any(option.startswith("--testing-") for option in server.options):
        assert "on purpose, for a test" in server.log_path.read_text(), "the server is as always: this world proves nothing"
    if "--testing-slow-drive" in server.options:
        assert server.metric("cairn_store_short_commits_total") > 10, "the drive was hardly ever late: this world proves nothing"
    server.__exit__(None)


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def drain_chunks(body):
    return b"".join(body.iter_chunks(1 << 16))


class S3Case(unittest.TestCase):
    counter = 0

    def setUp(self):
        S3Case.counter += 1
        self.bucket = f"test-{os.getpid()}-{S3Case.counter}"
        s3.create_bucket(Bucket=self.bucket)

    def fails(self, code, status, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        error = caught.exception.response
        self.assertEqual((error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]), (code, status))
        return error

    def put(self, key, body=b"x", **more):
        return s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def get(self, key, **more):
        return s3.get_object(Bucket=self.bucket, Key=key, **more)

    def read(self, key, **more):
        return self.get(key, **more)["Body"].read()

    def keys(self, **more):
        return [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, **more)
                for o in page.get("Contents", [])]


class Buckets(S3Case):
    def test_life_of_a_bucket(self):
        s3.head_bucket(Bucket=self.bucket)
        self.assertIn(self.bucket, [b["Name"] for b in s3.list_buckets()["Buckets"]])
        self.assertIsNone(s3.get_bucket_location(Bucket=self.bucket)["LocationConstraint"])
        self.put("a")
        self.fails("BucketNotEmpty", 409, s3.delete_bucket, Bucket=self.bucket)
        s3.delete_object(Bucket=self.bucket, Key="a")
        s3.delete_bucket(Bucket=self.bucket)
        self.fails("404", 404, s3.head_bucket, Bucket=self.bucket)
        self.fails("NoSuchBucket", 404, s3.list_objects_v2, Bucket=self.bucket)
        self.fails("NoSuchBucket", 404, s3.put_object, Bucket=self.bucket, Key="a", Body=b"")
        self.fails("NoSuchBucket", 404, s3.delete_bucket, Bucket=self.bucket)
        s3.create_bucket(Bucket=self.bucket)
        self.assertEqual(self.keys(), [])

    def test_creating_it_again_is_fine_in_us_east_1(self):
        s3.create_bucket(Bucket=self.bucket)

    def test_bad_names(self):
        for name in ("ab", "Upper", "under_score", "a..b", "-a-", "192.168.1.1", "xn--abc", "a" * 64, "abc-s3alias"):
            client = server.boto3()
            client.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
            self.fails("InvalidBucketName", 400, client.create_bucket, Bucket=name)

    def test_wrong_location_constraint(self):
        self.fails("InvalidLocationConstraint", 400, s3.create_bucket, Bucket=self.bucket + "-x",
                   CreateBucketConfiguration={"LocationConstraint": "nowhere-1"})

    def test_tags(self):
        self.fails("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=self.bucket)
        tags = [{"Key": "team", "Value": "ml"}, {"Key": "stage", "Value": "größe"}]
        s3.put_bucket_tagging(Bucket=self.bucket, Tagging={"TagSet": tags})
        self.assertCountEqual(s3.get_bucket_tagging(Bucket=self.bucket)["TagSet"], tags)
        s3.delete_bucket_tagging(Bucket=self.bucket)
        self.fails("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=self.bucket)

    def test_operations_that_are_not_there_say_so(self):
        for call in (s3.get_bucket_policy, s3.get_bucket_website, s3.get_bucket_replication,
                     s3.get_bucket_lifecycle_configuration, s3.get_bucket_acl):
            self.fails("NotImplemented", 501, call, Bucket=self.bucket)


class Objects(S3Case):
    def test_sizes_come_back_bit_for_bit(self):
        sizes = [0, 1, 2, 1023, 4096, 65535, 65536, 131071, 131072, 131073, 262144, 524287, 524288, 524289, MIB - 1, MIB, MIB + 1, 5 * MIB + 13]
        for size in sizes:
            body = noise(size, size)
            put = self.put(f"s{size}", body)
            self.assertEqual(put["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
            got = self.get(f"s{size}")
            self.assertEqual(got["ContentLength"], size)
            self.assertEqual(drain_chunks(got["Body"]), body, size)

    def test_missing(self):
        self.fails("NoSuchKey", 404, s3.get_object, Bucket=self.bucket, Key="no")
        self.fails("404", 404, s3.head_object, Bucket=self.bucket, Key="no")
        self.assertEqual(s3.delete_object(Bucket=self.bucket, Key="no")["ResponseMetadata"]["HTTPStatusCode"], 204)

    def test_overwrite_and_delete(self):
        self.put("a", b"one")
        self.put("a", noise(300000))
        self.put("a", b"three")
        self.assertEqual(self.read("a"), b"three")
        s3.delete_object(Bucket=self.bucket, Key="a")
        self.fails("NoSuchKey", 404, s3.get_object, Bucket=self.bucket, Key="a")
        self.assertEqual(self.keys(), [])

    def test_headers_and_metadata(self):
        expires = "Wed, 21 Oct 2026 07:28:00 GMT"
        self.put("h", b"x", ContentType="text/x", CacheControl="no-cache", ContentDisposition="inline",
                 ContentEncoding="zstd", ContentLanguage="de", Expires=expires,
                 Metadata={"plain": "value", "spaces": "a  b"})
        for answer in (self.get("h"), s3.head_object(Bucket=self.bucket, Key="h")):
            self.assertEqual(answer["ContentType"], "text/x")
            self.assertEqual(answer["CacheControl"], "no-cache")
            self.assertEqual(answer["ContentDisposition"], "inline")
            self.assertEqual(answer["ContentEncoding"], "zstd")
            self.assertEqual(answer["ContentLanguage"], "de")
            self.assertEqual(answer["Metadata"]["plain"], "value")
        self.assertEqual(s3.head_object(Bucket=self.bucket, Key="h")["AcceptRanges"], "bytes")
        self.put("d", b"x")
        self.assertEqual(self.get("d")["ContentType"], "binary/octet-stream")

    def test_response_overrides(self):
        self.put("o", b"x")
        got = self.get("o", ResponseContentType="a/b", ResponseCacheControl="max-age=1",
                       ResponseContentDisposition="attachment", ResponseContentEncoding="br",
                       ResponseContentLanguage="fr", ResponseExpires="Wed, 21 Oct 2026 07:28:00 GMT")
        self.assertEqual((got["ContentType"], got["CacheControl"], got["ContentDisposition"], got["ContentEncoding"],
                          got["ContentLanguage"]), ("a/b", "max-age=1", "attachment", "br", "fr"))

    def test_too_much_metadata(self):
        self.fails("MetadataTooLarge", 400, self.put, key="m", Metadata={"a": "x" * 2100})

    def test_keys_of_every_kind(self):
        keys = ["a", "a/b", "a/b/c", "a//b", "//", "/lead", "trail/", "..", "../x", "./y", "a/../b", "space key", "plus+key",
                "perc%25", "uml-äöü", "日本語/キー", "emoji-🗿", "q?x=1&y", "hash#1", "semi;colon", "quote'\"<>&",
                "tab\tkey", "new\nline", "ctl\x01x", "\x7f", "x" * 1024, "seg" + "y" * 300 + "/z", "back\\slash", "~tilde",
                "(paren)", "star*", "[br]", "{c}", "^", "`", "|", "=", "@", "$", ","]
        for key in keys:
            self.put(key, key.encode())
        self.assertEqual(sorted(map(unquote, self.keys(EncodingType="url"))), sorted(keys))
        self.assertEqual(self.keys(), sorted(keys, key=lambda k: k.encode()))
        for key in keys:
            self.assertEqual(self.read(key), key.encode(), key)
        for key in keys:
            s3.delete_object(Bucket=self.bucket, Key=key)
        self.assertEqual(self.keys(), [])

    def test_key_too_long(self):
        self.fails("KeyTooLongError", 400, self.put, key="x" * 1025)

    def test_ranges(self):
        for size in (1000, 100_000, 700_001):
            body = noise(size, size)
            self.put("r", body)
            for first, last in ((0, 0), (0, 9), (5, 5), (size - 1, size - 1), (size // 2, size - 1), (0, size * 2),
                                (size // 3, size // 3 + 65536)):
                got = self.get("r", Range=f"bytes={first}-{last}")
                self.assertEqual(got["ResponseMetadata"]["HTTPStatusCode"], 206)
                stop = min(last, size - 1)
                self.assertEqual(got["ContentRange"], f"bytes {first}-{stop}/{size}")
                self.assertEqual(got["Body"].read(), body[first:stop + 1])
            self.assertEqual(self.read("r", Range="bytes=-7"), body[-7:])
            self.assertEqual(self.read("r", Range=f"bytes=-{size * 2}"), body)
            self.assertEqual(self.read("r", Range="bytes=11-"), body[11:])
            self.fails("InvalidRange", 416, s3.get_object, Bucket=self.bucket, Key="r", Range=f"bytes={size}-")
            self.fails("InvalidRange", 416, s3.get_object, Bucket=self.bucket, Key="r", Range="bytes=-0")
            self.assertEqual(self.get("r", Range="bytes=9-1")["ResponseMetadata"]["HTTPStatusCode"], 200)
            self.assertEqual(self.get("r", Range="lines=1-2")["ResponseMetadata"]["HTTPStatusCode"], 200)

    def test_random_ranges(self):
        body = noise(3 * MIB + 17)
        self.put("r", body)
        chooser = random.Random(5)
        for _ in range(60):
            first = chooser.randrange(len(body))
            last = min(len(body) - 1, first + chooser.choice([0, 1, 100, 65535, 65536, 300_000, 2 * MIB]))
            self.assertEqual(self.read("r", Range=f"bytes={first}-{last}"), body[first:last + 1], (first, last))

    def test_conditional_reads(self):
        etag = self.put("c", b"body")["ETag"]
        modified = s3.head_object(Bucket=self.bucket, Key="c")["LastModified"]
        before, after = modified.replace(year=2001), modified.replace(year=modified.year + 1)
        self.assertEqual(self.read("c", IfMatch=etag), b"body")
        self.fails("PreconditionFailed", 412, s3.get_object, Bucket=self.bucket, Key="c", IfMatch='"nope"')
        self.fails("304", 304, s3.get_object, Bucket=self.bucket, Key="c", IfNoneMatch=etag)
        self.assertEqual(self.read("c", IfNoneMatch='"nope"'), b"body")
        self.assertEqual(self.read("c", IfModifiedSince=before), b"body")
        self.fails("304", 304, s3.get_object, Bucket=self.bucket, Key="c", IfModifiedSince=modified)
        self.assertEqual(self.read("c", IfUnmodifiedSince=after), b"body")
        self.fails("PreconditionFailed", 412, s3.get_object, Bucket=self.bucket, Key="c", IfUnmodifiedSince=before)
        self.assertEqual(self.read("c", IfMatch=etag, IfUnmodifiedSince=before), b"body")
        self.fails("304", 304, s3.get_object, Bucket=self.bucket, Key="c", IfNoneMatch=etag, IfModifiedSince=before)
        self.fails("304", 304, s3.head_object, Bucket=self.bucket, Key="c", IfNoneMatch=etag)

    def conditional_put(self, key, body, **headers):
        client = server.boto3()

        def add(request, **_):
            for name, value in headers.items():
                request.headers[name.replace("_", "-")] = value
        client.meta.events.register("before-sign.s3.*", add)
        return client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def test_conditional_writes(self):
        first = self.conditional_put("w", b"1", If_None_Match="*")
        self.fails("PreconditionFailed", 412, self.conditional_put, key="w", body=b"2", If_None_Match="*")
        self.assertEqual(self.read("w"), b"1")
        self.fails("PreconditionFailed", 412, self.conditional_put, key="w", body=b"2", If_Match='"bad"')
        self.conditional_put("w", b"3", If_Match=first["ETag"])
        self.assertEqual(self.read("w"), b"3")
        self.fails("NoSuchKey", 404, self.conditional_put, key="absent", body=b"2", If_Match=first["ETag"])

    def test_content_md5(self):
        import base64
        good = base64.b64encode(hashlib.md5(b"x").digest()).decode()
        bad = base64.b64encode(hashlib.md5(b"y").digest()).decode()
        self.put("md5", b"x", ContentMD5=good)
        self.fails("BadDigest", 400, self.put, key="md5-bad", body=b"x", ContentMD5=bad)
        self.fails("InvalidDigest", 400, self.put, key="md5-bad", body=b"x", ContentMD5="nonsense")
        self.fails("404", 404, s3.head_object, Bucket=self.bucket, Key="md5-bad")

    def test_checksums(self):
        import base64
        body = noise(200_000)
        crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        sha = base64.b64encode(hashlib.sha256(body).digest()).decode()
        put = self.put("crc", body, ChecksumCRC32=crc)
        self.assertEqual(put["ChecksumCRC32"], crc)
        self.assertEqual(s3.head_object(Bucket=self.bucket, Key="crc", ChecksumMode="ENABLED")["ChecksumCRC32"], crc)
        self.assertNotIn("ChecksumCRC32", s3.head_object(Bucket=self.bucket, Key="crc"))
        self.assertEqual(self.put("sha", body, ChecksumAlgorithm="SHA256")["ChecksumSHA256"], sha)
        wrong = base64.b64encode(b"\0\0\0\0").decode()
        self.fails("BadDigest", 400, self.put, key="crc-bad", body=body, ChecksumCRC32=wrong)
        self.fails("404", 404, s3.head_object, Bucket=self.bucket, Key="crc-bad")
        self.fails("InvalidRequest", 400, self.put, key="crc-bad", body=body, ChecksumCRC32="short")
        attributes = s3.get_object_attributes(Bucket=self.bucket, Key="crc",
                                              ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"])
        self.assertEqual(attributes["Checksum"]["ChecksumCRC32"], crc)
        self.assertEqual(attributes["ObjectSize"], len(body))
        self.assertEqual(attributes["StorageClass"], "STANDARD")
        self.assertEqual(attributes["ETag"], hashlib.md5(body).hexdigest())

    def test_copy(self):
        for size in (10, 400_000):
            body = noise(size, size)
            self.put("src", body, Metadata={"a": "1"}, ContentType="t/x", Tagging="k=v")
            copied = s3.copy_object(Bucket=self.bucket, Key="dst", CopySource={"Bucket": self.bucket, "Key": "src"})
            self.assertEqual(copied["CopyObjectResult"]["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
            got = self.get("dst")
            self.assertEqual((got["Body"].read(), got["Metadata"], got["ContentType"]), (body, {"a": "1"}, "t/x"))
            self.assertEqual(s3.get_object_tagging(Bucket=self.bucket, Key="dst")["TagSet"], [{"Key": "k", "Value": "v"}])
        s3.copy_object(Bucket=self.bucket, Key="dst", CopySource={"Bucket": self.bucket, "Key": "src"},
                       MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="t/y",
                       TaggingDirective="REPLACE", Tagging="n=m")
        got = self.get("dst")
        self.assertEqual((got["Metadata"], got["ContentType"]), ({"b": "2"}, "t/y"))
        self.fails("InvalidRequest", 400, s3.copy_object, Bucket=self.bucket, Key="src",
                   CopySource={"Bucket": self.bucket, "Key": "src"})
        s3.copy_object(Bucket=self.bucket, Key="src", CopySource={"Bucket": self.bucket, "Key": "src"},
                       MetadataDirective="REPLACE", Metadata={"self": "yes"})
        self.assertEqual(self.get("src")["Metadata"], {"self": "yes"})
        self.fails("NoSuchKey", 404, s3.copy_object, Bucket=self.bucket, Key="d", CopySource={"Bucket": self.bucket, "Key": "no"})
        self.fails("PreconditionFailed", 412, s3.copy_object, Bucket=self.bucket, Key="d",
                   CopySource={"Bucket": self.bucket, "Key": "src"}, CopySourceIfMatch='"x"')

    def test_delete_objects(self):
        for i in range(5):
            self.put(f"k{i}")
        answer = s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": f"k{i}"} for i in range(3)] + [{"Key": "absent"}]})
        self.assertEqual(len(answer["Deleted"]), 4)
        self.assertEqual(self.keys(), ["k3", "k4"])
        quiet = s3.delete_objects(Bucket=self.bucket, Delete={"Quiet": True, "Objects": [{"Key": "k3"}]})
        self.assertNotIn("Deleted", quiet)
        self.fails("MalformedXML", 400, s3.delete_objects, Bucket=self.bucket,
                   Delete={"Objects": [{"Key": f"x{i}"} for i in range(1001)]})

    def test_tagging(self):
        self.put("t", b"x", Tagging="a=1&b=two%20words")
        self.assertEqual(self.get("t")["TagCount"], 2)
        self.assertCountEqual(s3.get_object_tagging(Bucket=self.bucket, Key="t")["TagSet"],
                              [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two words"}])
        s3.put_object_tagging(Bucket=self.bucket, Key="t", Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
        self.assertEqual(s3.get_object_tagging(Bucket=self.bucket, Key="t")["TagSet"], [{"Key": "c", "Value": ""}])
        s3.delete_object_tagging(Bucket=self.bucket, Key="t")
        self.assertEqual(s3.get_object_tagging(Bucket=self.bucket, Key="t")["TagSet"], [])
        eleven = [{"Key": f"k{i}", "Value": "v"} for i in range(11)]
        self.fails("BadRequest", 400, s3.put_object_tagging, Bucket=self.bucket, Key="t", Tagging={"TagSet": eleven})
        double = [{"Key": "k", "Value": "v"}] * 2
        self.fails("InvalidTag", 400, s3.put_object_tagging, Bucket=self.bucket, Key="t", Tagging={"TagSet": double})
        self.fails("InvalidTag", 400, s3.put_object_tagging, Bucket=self.bucket, Key="t",
                   Tagging={"TagSet": [{"Key": "k" * 129, "Value": "v"}]})

    def test_unsupported_protection_is_never_ignored(self):
        self.fails("NotImplemented", 501, self.put, key="e", ServerSideEncryption="AES256")
        self.fails("NotImplemented", 501, self.put, key="e", ObjectLockLegalHoldStatus="ON")
        self.fails("NotImplemented", 501, self.put, key="e", ACL="public-read")
        self.fails("404", 404, s3.head_object, Bucket=self.bucket, Key="e")


class Listing(S3Case):
    def fill(self, keys):
        for key in keys:
            self.put(key, b"")

    def test_pages_delimiters_and_markers(self):
        names = [f"p/{d}/{i}" for d in "abc" for i in range(4)] + ["p/top", "q", "z/1", "z/2"]
        self.fill(names)
        self.assertEqual(self.keys(), sorted(names))
        for size in (1, 2, 3, 7):
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, PaginationConfig={"PageSize": size})
            self.assertEqual([o["Key"] for p in pages for o in p.get("Contents", [])], sorted(names))
            seen = []
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Delimiter="/", Prefix="p/",
                                                                     PaginationConfig={"PageSize": size}):
                entries = [c["Prefix"] for c in page.get("CommonPrefixes", [])] + [o["Key"] for o in page.get("Contents", [])]
                self.assertLessEqual(len(entries), size)
                self.assertEqual(page["KeyCount"], len(entries))
                seen += entries
            self.assertEqual(seen, ["p/a/", "p/b/", "p/c/", "p/top"])
            old = []
            for page in s3.get_paginator("list_objects").paginate(Bucket=self.bucket, Delimiter="/",
                                                                  PaginationConfig={"PageSize": size}):
                old += [c["Prefix"] for c in page.get("CommonPrefixes", [])] + [o["Key"] for o in page.get("Contents", [])]
            self.assertEqual(sorted(old), ["p/", "q", "z/"])
        self.assertEqual(self.keys(StartAfter="p/c/1"), ["p/c/2", "p/c/3", "p/top", "q", "z/1", "z/2"])
        self.assertEqual(self.keys(Prefix="z/"), ["z/1", "z/2"])
        nothing = s3.list_objects_v2(Bucket=self.bucket, MaxKeys=0)
        self.assertEqual((nothing["KeyCount"], nothing["IsTruncated"]), (0, False))

    def test_bad_arguments(self):
        self.fails("InvalidArgument", 400, s3.list_objects_v2, Bucket=self.bucket, ContinuationToken="garbage!")
        self.fails("InvalidArgument", 400, s3.list_objects_v2, Bucket=self.bucket, MaxKeys=-1)

    def test_list_after_write_and_delete(self):
        for i in range(30):
            self.put(f"n{i:02}")
            self.assertEqual(len(self.keys()), i + 1)
        for i in range(30):
            s3.delete_object(Bucket=self.bucket, Key=f"n{i:02}")
            self.assertEqual(len(self.keys()), 29 - i)

    def test_owner_and_fields(self):
        etag = self.put("f", b"abc")["ETag"]
        entry = s3.list_objects_v2(Bucket=self.bucket, FetchOwner=True)["Contents"][0]
        self.assertEqual((entry["ETag"], entry["Size"], entry["StorageClass"]), (etag, 3, "STANDARD"))
        self.assertIn("Owner", entry)
        self.assertNotIn("Owner", s3.list_objects_v2(Bucket=self.bucket)["Contents"][0])


class Versions(S3Case):
    def enable(self, status="Enabled"):
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": status})

    def history(self, **more):
        found = []
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, **more):
            for kind in ("Versions", "DeleteMarkers"):
                found += [(v["Key"], v["VersionId"], v["IsLatest"], kind) for v in page.get(kind, [])]
        return found

    def test_states(self):
        self.assertNotIn("Status", s3.get_bucket_versioning(Bucket=self.bucket))
        self.enable()
        self.assertEqual(s3.get_bucket_versioning(Bucket=self.bucket)["Status"], "Enabled")
        self.enable("Suspended")
        self.assertEqual(s3.get_bucket_versioning(Bucket=self.bucket)["Status"], "Suspended")

    def test_versions_and_markers(self):
        self.assertNotIn("VersionId", self.put("k", b"null-one"))
        self.enable()
        v1 = self.put("k", b"one")["VersionId"]
        v2 = self.put("k", noise(300_000))["VersionId"]
        self.assertNotEqual(v1, v2)
        self.assertEqual(self.get("k")["VersionId"], v2)
        self.assertEqual(self.read("k", VersionId=v1), b"one")
        self.assertEqual(self.read("k", VersionId="null"), b"null-one")
        marker = s3.delete_object(Bucket=self.bucket, Key="k")
        self.assertTrue(marker["DeleteMarker"])
        error = self.fails("NoSuchKey", 404, s3.get_object, Bucket=self.bucket, Key="k")
        self.assertEqual(error["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"], "true")
        self.fails("MethodNotAllowed", 405, s3.get_object, Bucket=self.bucket, Key="k", VersionId=marker["VersionId"])
        self.assertEqual(self.keys(), [])
        self.assertEqual([(v, latest) for _, v, latest, _ in self.history() if latest], [(marker["VersionId"], True)])
        self.assertEqual(len(self.history()), 4)
        undone = s3.delete_object(Bucket=self.bucket, Key="k", VersionId=marker["VersionId"])
        self.assertTrue(undone["DeleteMarker"])
        self.assertEqual(self.get("k")["VersionId"], v2)
        s3.delete_object(Bucket=self.bucket, Key="k", VersionId=v2)
        self.assertEqual(self.read("k"), b"one")
        s3.delete_object(Bucket=self.bucket, Key="k", VersionId="null")
        self.assertEqual([v for _, v, _, _ in self.history()], [v1])
        self.fails("NoSuchVersion", 404, s3.get_object, Bucket=self.bucket, Key="k", VersionId=v2)
        self.fails("InvalidArgument", 400, s3.get_object, Bucket=self.bucket, Key="k", VersionId="not-a-version")
        self.fails("BucketNotEmpty", 409, s3.delete_bucket, Bucket=self.bucket)

    def test_suspended_replaces_the_null_version(self):
        self.enable()
        kept = self.put("k", b"kept")["VersionId"]
        self.enable("Suspended")
        self.assertNotIn("VersionId", self.put("k", b"n1"))
        self.assertEqual(self.get("k")["VersionId"], "null")
        self.put("k", b"n2")
        self.assertEqual(self.read("k", VersionId="null"), b"n2")
        self.assertEqual(len(self.history()), 2)
        gone = s3.delete_object(Bucket=self.bucket, Key="k")
        self.assertEqual((gone["DeleteMarker"], gone["VersionId"]), (True, "null"))
        self.assertEqual(self.read("k", VersionId=kept), b"kept")
        self.assertEqual(len(self.history()), 2)

    def test_listing_pages(self):
        self.enable()
        expected = []
        for key in ("a", "b/1", "b/2", "c"):
            ids = [self.put(key, str(i).encode())["VersionId"] for i in range(5)]
            expected += [(key, v) for v in reversed(ids)]
        for size in (1, 3, 7, 100):
            self.assertEqual([(k, v) for k, v, _, _ in self.history(PaginationConfig={"PageSize": size})], expected)
        page = s3.list_object_versions(Bucket=self.bucket, Delimiter="/")
        self.assertEqual([c["Prefix"] for c in page["CommonPrefixes"]], ["b/"])
        self.assertEqual(len(page["Versions"]), 10)

    def test_copy_of_a_version(self):
        self.enable()
        old = self.put("k", b"old")["VersionId"]
        self.put("k", b"new")
        copied = s3.copy_object(Bucket=self.bucket, Key="k", CopySource={"Bucket": self.bucket, "Key": "k", "VersionId": old})
        self.assertEqual(copied["CopySourceVersionId"], old)
        self.assertEqual(self.read("k"), b"old")
        self.assertEqual(len(self.history()), 3)

    def test_tags_of_a_version(self):
        self.enable()
        old = self.put("k", b"old", Tagging="a=b")["VersionId"]
        self.put("k", b"new")
        s3.put_object_tagging(Bucket=self.bucket, Key="k", VersionId=old, Tagging={"TagSet": [{"Key": "x", "Value": "y"}]})
        self.assertEqual(s3.get_object_tagging(Bucket=self.bucket, Key="k", VersionId=old)["TagSet"], [{"Key": "x", "Value": "y"}])
        self.assertEqual(s3.get_object_tagging(Bucket=self.bucket, Key="k")["TagSet"], [])
        self.assertEqual(len(self.history()), 2)


class Multipart(S3Case):
    def create(self, key="m", **more):
        return s3.create_multipart_upload(Bucket=self.bucket, Key=key, **more)["UploadId"]

    def upload(self, upload, number, body, key="m", **more):
        return s3.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=number, Body=body, **more)["ETag"]

    def complete(self, upload, parts, key="m", **more):
        return s3.complete_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload, MultipartUpload={
            "Parts": [{"PartNumber": n, "ETag": e} for n, e in parts]}, **more)

    def test_whole_life(self):
        bodies = [noise(5 * MIB, 1), noise(6 * MIB + 1, 2), noise(100, 3)]
        upload = self.create(ContentType="m/p", Metadata={"a": "b"}, Tagging="t=1")
        self.assertEqual([u["UploadId"] for u in s3.list_multipart_uploads(Bucket=self.bucket)["Uploads"]], [upload])
        parts = [(n, self.upload(upload, n, b)) for n, b in zip((1, 5, 9), bodies)]
        listed = s3.list_parts(Bucket=self.bucket, Key="m", UploadId=upload)["Parts"]
        self.assertEqual([(p["PartNumber"], p["Size"], p["ETag"]) for p in listed],
                         [(n, len(b), e) for (n, e), b in zip(parts, bodies)])
        self.assertEqual(self.keys(), [])
        done = self.complete(upload, parts)
        digest = hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest()
        self.assertEqual(done["ETag"], f'"{digest}-3"')
        whole = b"".join(bodies)
        got = self.get("m")
        self.assertEqual((drain_chunks(got["Body"]), got["ContentType"], got["Metadata"]), (whole, "m/p", {"a": "b"}))
        self.assertEqual(self.complete(upload, parts)["ETag"], done["ETag"], "completing again is idempotent")
        self.assertNotIn("Uploads", s3.list_multipart_uploads(Bucket=self.bucket))
        second = self.get("m", PartNumber=5)
        self.assertEqual((second["PartsCount"], second["ContentRange"]),
                         (3, f"bytes {len(bodies[0])}-{len(bodies[0]) + len(bodies[1]) - 1}/{len(whole)}"))
        self.assertEqual(second["Body"].read(), bodies[1])
        self.assertEqual(self.read("m", Range=f"bytes={5 * MIB - 3}-{5 * MIB + 2}"), whole[5 * MIB - 3:5 * MIB + 3])
        self.fails("InvalidPartNumber", 416, s3.get_object, Bucket=self.bucket, Key="m", PartNumber=4)
        head = s3.head_object(Bucket=self.bucket, Key="m", PartNumber=9)
        self.assertEqual((head["ContentLength"], head["PartsCount"]), (100, 3))
        s3.copy_object(Bucket=self.bucket, Key="copy", CopySource={"Bucket": self.bucket, "Key": "m"})
        s3.delete_object(Bucket=self.bucket, Key="m")
        self.assertEqual(self.read("copy"), whole)

    def test_mistakes(self):
        upload = self.create()
        first = self.upload(upload, 1, noise(5 * MIB))
        small = self.upload(upload, 2, b"small")
        last = self.upload(upload, 3, b"last")
        self.fails("EntityTooSmall", 400, self.complete, upload=upload, parts=[(1, first), (2, small), (3, last)])
        self.fails("InvalidPartOrder", 400, self.complete, upload=upload, parts=[(3, last), (1, first)])
        self.fails("InvalidPart", 400, self.complete, upload=upload, parts=[(1, '"00000000000000000000000000000000"')])
        self.fails("InvalidPart", 400, self.complete, upload=upload, parts=[(1, first), (7, last)])
        self.fails("MalformedXML", 400, self.complete, upload=upload, parts=[])
        self.fails("InvalidArgument", 400, self.upload, upload=upload, number=10001, body=b"")
        self.fails("NoSuchUpload", 404, self.upload, upload="0" * 32, number=1, body=b"")
        self.fails("NoSuchUpload", 404, self.complete, upload="0" * 32, parts=[(1, first)])
        self.complete(upload, [(1, first), (3, last)])
        self.assertEqual(s3.head_object(Bucket=self.bucket, Key="m")["ContentLength"], 5 * MIB + 4)

    def test_abort_and_overwritten_parts(self):
        upload = self.create()
        self.upload(upload, 1, noise(5 * MIB, 1))
        body = noise(5 * MIB, 2)
        etag = self.upload(upload, 1, body)
        other = self.create()
        self.upload(other, 1, b"x")
        s3.abort_multipart_upload(Bucket=self.bucket, Key="m", UploadId=other)
        self.fails("NoSuchUpload", 404, s3.list_parts, Bucket=self.bucket, Key="m", UploadId=other)
        self.fails("NoSuchUpload", 404, s3.abort_multipart_upload, Bucket=self.bucket, Key="m", UploadId=other)
        self.complete(upload, [(1, etag)])
        self.assertEqual(self.read("m"), body)

    def test_copy_part(self):
        source = noise(11 * MIB)
        self.put("src", source)
        upload = self.create()
        where = {"Bucket": self.bucket, "Key": "src"}
        a = s3.upload_part_copy(Bucket=self.bucket, Key="m", UploadId=upload, PartNumber=1, CopySource=where,
                                CopySourceRange=f"bytes=0-{6 * MIB - 1}")["CopyPartResult"]["ETag"]
        b = s3.upload_part_copy(Bucket=self.bucket, Key="m", UploadId=upload, PartNumber=2, CopySource=where,
                                CopySourceRange=f"bytes={6 * MIB}-{11 * MIB - 1}")["CopyPartResult"]["ETag"]
        self.complete(upload, [(1, a), (2, b)])
        self.assertEqual(drain_chunks(self.get("m")["Body"]), source)
        self.fails("InvalidArgument", 400, s3.upload_part_copy, Bucket=self.bucket, Key="m2", UploadId=self.create("m2"),
                   PartNumber=1, CopySource=where, CopySourceRange=f"bytes=0-{12 * MIB}")

    def test_checksums(self):
        import base64
        bodies = [noise(5 * MIB, 1), noise(10, 2)]
        upload = self.create(ChecksumAlgorithm="SHA256")
        parts = []
        for number, body in enumerate(bodies, 1):
            answer = s3.upload_part(Bucket=self.bucket, Key="m", UploadId=upload, PartNumber=number, Body=body,
                                    ChecksumAlgorithm="SHA256")
            parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]})
        done = s3.complete_multipart_upload(Bucket=self.bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": parts})
        digest = hashlib.sha256(b"".join(hashlib.sha256(b).digest() for b in bodies)).digest()
        expected = base64.b64encode(digest).decode() + "-2"
        self.assertEqual(done["ChecksumSHA256"], expected)
        self.assertEqual(s3.head_object(Bucket=self.bucket, Key="m", ChecksumMode="ENABLED")["ChecksumSHA256"], expected)
        attributes = s3.get_object_attributes(Bucket=self.bucket, Key="m", ObjectAttributes=["ObjectParts", "Checksum"])
        self.assertEqual(attributes["ObjectParts"]["TotalPartsCount"], 2)
        self.assertEqual([p["Size"] for p in attributes["ObjectParts"]["Parts"]], [5 * MIB, 10])

    def test_listing_uploads_pages(self):
        made = [(key, self.create(key)) for key in ("a", "a", "b/1", "b/2", "c")]
        seen = []
        for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, PaginationConfig={"PageSize": 2}):
            seen += [(u["Key"], u["UploadId"]) for u in page.get("Uploads", [])]
        self.assertEqual(seen, made)
        page = s3.list_multipart_uploads(Bucket=self.bucket, Delimiter="/")
        self.assertEqual([c["Prefix"] for c in page["CommonPrefixes"]], ["b/"])

    def test_managed_transfer(self):
        from boto3.s3.transfer import TransferConfig
        body = noise(23 * MIB + 5)
        config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
        s3.upload_fileobj(io.BytesIO(body), self.bucket, "big", Config=config)
        out = io.BytesIO()
        s3.download_fileobj(self.bucket, "big", out, Config=config)
        self.assertEqual(out.getvalue(), body)


class Access(S3Case):
    def status(self, url, method="GET", headers=None, body=None):
        request = urllib.request.Request(url, method=method, headers=headers or {}, data=body)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def test_anonymous_is_denied(self):
        self.put("a")
        for method, path in (("GET", ""), ("GET", f"{self.bucket}"), ("GET", f"{self.bucket}/a"), ("PUT", f"{self.bucket}/b"),
                             ("DELETE", f"{self.bucket}/a"), ("DELETE", self.bucket)):
            status, body = self.status(f"{server.endpoint}/{path}", method)
            self.assertEqual(status, 403, (method, path))
            self.assertIn(b"<Code>AccessDenied</Code>", body)
        self.assertEqual(self.keys(), ["a"])

    def test_presigned(self):
        body = noise(70_000)
        signer = server.boto3(signature_version="s3v4")
        put = signer.generate_presigned_url("put_object", Params={"Bucket": self.bucket, "Key": "p q"}, ExpiresIn=60)
        self.assertEqual(self.status(put, "PUT", body=body)[0], 200)
        get = signer.generate_presigned_url("get_object", Params={"Bucket": self.bucket, "Key": "p q"}, ExpiresIn=60)
        self.assertEqual(self.status(get), (200, body))
        self.assertEqual(self.status(get[:-1] + ("0" if get[-1] != "0" else "1"))[0], 403)
        self.assertEqual(self.status(get.replace(self.bucket, self.bucket + "x"))[0], 403)
        short = signer.generate_presigned_url("get_object", Params={"Bucket": self.bucket, "Key": "p q"}, ExpiresIn=1)
        time.sleep(2.1)
        status, answer = self.status(short)
        self.assertEqual(status, 403)
        self.assertIn(b"expired", answer)

    def test_wrong_keys(self):
        import boto3
        for access, secret, code in (("NOBODYKNOWSME", "x" * 20, "InvalidAccessKeyId"),
                                     ("TESTROOTUSER", "wrong-secret", "SignatureDoesNotMatch")):
            other = boto3.client("s3", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=access,
                                 aws_secret_access_key=secret)
            self.fails(code, 403, other.list_buckets)

    def test_other_region(self):
        import boto3
        from botocore.config import Config
        other = boto3.client("s3", endpoint_url=server.endpoint, region_name="eu-west-9", config=Config(signature_version="s3v4"),
                             aws_access_key_id="TESTROOTUSER", aws_secret_access_key="test-root-password-1")
        status, body = self.status(other.generate_presigned_url("list_buckets"))
        self.assertEqual(status, 400)
        self.assertIn(b"us-east-1", body)
        # Through the SDK: the error names the right region, and the SDK signs again for it.
        self.assertEqual(other.list_objects_v2(Bucket=self.bucket)["KeyCount"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
