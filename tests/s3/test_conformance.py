#!/usr/bin/env python3
"""What clients and conformance suites rely on beyond the plain operations, against a started server: raw requests with
their own signatures, broken ones, listings against a model, races. Usage: test_conformance.py [unittest arguments]."""
import base64
import datetime
import hashlib
import hmac
import http.client
import pathlib
import random
import re
import socket
import struct
import sys
import unittest
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.server import ACCESS_KEY, REGION, SECRET_KEY, Server  # noqa: E402

UNSIGNED = "UNSIGNED-PAYLOAD"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def setUpModule():
    global server, s3
    server = Server(drives=4).start()
    s3 = server.boto3(signature_version="s3v4")


def tearDownModule():
    s3.close()
    server.__exit__(None)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def b64(data):
    return base64.b64encode(data).decode()


def md5(data):
    return b64(hashlib.md5(data).digest())


def crc32(data):
    return b64(struct.pack(">I", zlib.crc32(data)))


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Signer:
    """Signature version 4, written from its description, so that every part of it can be bent."""

    def __init__(self, region=REGION, service="s3", seconds=0):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        self.date = now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.date[:8]}/{region}/{service}/aws4_request"
        self.key = f"AWS4{SECRET_KEY}".encode()
        for step in self.scope.split("/"):
            self.key = sign(self.key, step)

    def signature(self, algorithm, *lines):
        return sign(self.key, "\n".join([algorithm, self.date, self.scope, *lines])).hex()

    def headers(self, method, path, headers, payload):
        """The headers of a signed request; self.seed is its signature."""
        path, _, query = path.partition("?")
        pairs = sorted((part.partition("=")[0], part.partition("=")[2]) for part in query.split("&") if part)
        all_headers = {"host": f"127.0.0.1:{server.port}", "x-amz-date": self.date, "x-amz-content-sha256": payload}
        all_headers.update({name.lower(): value for name, value in headers.items()})
        names = sorted(all_headers)
        canonical = "\n".join([method, path, "&".join(f"{n}={v}" for n, v in pairs),
                               "".join(f"{n}:{' '.join(all_headers[n].split())}\n" for n in names), ";".join(names),
                               payload])
        self.seed = self.signature("AWS4-HMAC-SHA256", sha256(canonical.encode()))
        all_headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{self.scope}, "
                                        f"SignedHeaders={';'.join(names)}, Signature={self.seed}")
        return all_headers


class Reply:
    def __init__(self, answer):
        self.status, self.body = answer.status, answer.read()
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        code = re.search(rb"<Code>(.*?)</Code>", self.body)
        self.code = code and code.group(1).decode()

    @property
    def result(self):
        return self.status, self.code


def exchange(method, path, headers, body=b"", length=True):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.encode())
        if length and (body or method in ("PUT", "POST")):
            connection.putheader("content-length", str(len(body)))
        connection.endheaders()
        if body:
            connection.send(body)
        return Reply(connection.getresponse())
    finally:
        connection.close()


def send(method, path, body=b"", headers=None, payload=None, signer=None, unsigned=None, length=True):
    if isinstance(body, str):
        body = body.encode()
    signed = (signer or Signer()).headers(method, path, headers or {}, payload or sha256(body))
    signed.update(unsigned or {})
    return exchange(method, path, signed, body, length)


def raw(data, seconds=0.3):
    """Everything that the server says to these bytes before it closes or falls silent."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(seconds)
        connection.sendall(data)
        said = b""
        try:
            while piece := connection.recv(65536):
                said += piece
        except (TimeoutError, ConnectionError):
            pass
        return said


class Case(unittest.TestCase):
    counter = 0

    def setUp(self):
        Case.counter += 1
        self.bucket = f"conformance-{Case.counter}"
        s3.create_bucket(Bucket=self.bucket)

    def path(self, key="", query=""):
        return f"/{self.bucket}" + (f"/{quote(key)}" if key else "") + (f"?{query}" if query else "")

    def do(self, method, key="", query="", body=b"", **more):
        return send(method, self.path(key, query), body, **more)

    def expect(self, status, code, *arguments, **more):
        reply = self.do(*arguments, **more)
        self.assertEqual(reply.result, (status, code), arguments)
        return reply

    def read(self, key):
        return s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def absent(self, key):
        self.assertEqual(self.do("HEAD", key).status, 404)


class Keys(Case):
    def test_names_of_every_kind(self):
        names = [".", "..", "a/../b", "./x", "a//b", "/lead", "a/", "//", "x%2Fy", "q?x=1", "a b+c", "&<>\"'", "\x01c",
                 "line\nfeed", "tab\t", "é" * 512, "ключ", "\U00010000", "#", ";=,", "~-_."]
        for number, name in enumerate(names):
            s3.put_object(Bucket=self.bucket, Key=name, Body=str(number).encode())
        for number, name in enumerate(names):
            self.assertEqual(self.read(name), str(number).encode(), name)
        listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=self.bucket)["Contents"]]
        self.assertEqual(listed, sorted(names, key=str.encode))
        self.expect(400, "KeyTooLongError", "PUT", "é" * 513, body=b"x")
        self.assertEqual(send("PUT", f"/{self.bucket}/%FF%FE", b"x").result, (400, "InvalidURI"))

    def test_dots_in_a_path_are_not_resolved(self):
        s3.put_object(Bucket=self.bucket, Key="x", Body=b"")
        self.assertEqual(send("GET", f"/{self.bucket}/../{self.bucket}/x").result, (404, "NoSuchKey"))


class Requests(Case):
    def test_errors_name_what_they_are_about(self):
        reply = self.expect(404, "NoSuchKey", "GET", "none")
        for part in (b"<Key>none</Key>", b"<RequestId>", b"<HostId>", f"<Resource>{self.path('none')}".encode()):
            self.assertIn(part, reply.body)
        self.assertEqual(reply.headers["content-type"], "application/xml")
        self.assertIn("x-amz-request-id", reply.headers)

    def test_head_errors_have_no_body(self):
        for path in (self.path("none"), "/no-such-bucket", "/no-such-bucket/key"):
            reply = send("HEAD", path)
            self.assertEqual((reply.status, reply.body), (404, b""))

    def test_a_version_is_not_taken_where_none_can_be_chosen(self):
        for method, query in (("PUT", ""), ("POST", "uploads&"), ("PUT", "partNumber=1&uploadId=x&")):
            self.expect(400, "InvalidArgument", method, "key", query + "versionId=null", body=b"x")
        self.absent("key")

    def test_methods_and_subresources(self):
        s3.put_object(Bucket=self.bucket, Key="key", Body=b"x")
        for method in ("PATCH", "TRACE", "POST", "get"):
            self.expect(405, "MethodNotAllowed", method, "key")
        self.expect(405, "MethodNotAllowed", "DELETE", "key", "uploads")
        self.expect(400, "InvalidArgument", "DELETE", "key", "lifecycle")  # is not DeleteObject
        self.expect(400, "InvalidArgument", "GET", "key", "acl&tagging")
        self.expect(200, None, "GET", "key", "unknown=1")
        for name in ("start-after", "continuation-token"):  # of ListObjectsV2 only
            self.expect(400, "InvalidArgument", "GET", "", f"{name}=a")
        self.assertEqual(self.read("key"), b"x")

    def test_forms_of_browsers_are_not_implemented(self):
        form = {"host": f"127.0.0.1:{server.port}", "content-type": "multipart/form-data; boundary=x"}
        self.assertEqual(exchange("POST", self.path(), form, b"--x--").result, (501, "NotImplemented"))

    def test_lengths(self):
        self.expect(411, "MissingContentLength", "PUT", "key", length=False)
        for length in ("-1", "99999999999999999999999", "5,5", "0x5", ""):
            self.assertEqual(self.do("PUT", "key", unsigned={"content-length": length}, length=False).status, 400)
        reply = self.do("PUT", "key", unsigned={"content-length": str(1 << 45)}, payload=UNSIGNED, length=False)
        self.assertEqual(reply.result, (400, "EntityTooLarge"))
        both = {"content-length": "3", "transfer-encoding": "chunked"}
        self.assertEqual(self.do("PUT", "key", unsigned=both, payload=UNSIGNED, length=False).status, 400)
        self.absent("key")

    def test_broken_heads(self):
        for head, status in ((b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
                             (b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n", 400), (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
                             (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
                             (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
                             (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
                             (b"GET / HTTP/1.1\r\nHost: x\r\nX: \x01\r\n\r\n", 400),
                             (b"GET bucket HTTP/1.1\r\nHost: x\r\n\r\n", 400),
                             (b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
                             (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200000 + b"\r\n\r\n", 431)):
            said = raw(head)
            if said or len(head) < 1000:  # a head that is far too long may be cut off by a reset
                self.assertEqual(said[:12], f"HTTP/1.1 {status}".encode(), head[:60])
        self.assertEqual(server.health(), 200)

    def test_pipelined_requests_are_all_answered(self):
        self.assertEqual(raw(b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n" * 5).count(b"HTTP/1.1 200"), 5)

    def test_continue_comes_only_for_a_body_that_is_wanted(self):
        def head(path):
            lines = "".join(f"{n}: {v}\r\n" for n, v in Signer().headers("PUT", path, {}, UNSIGNED).items())
            return f"PUT {path} HTTP/1.1\r\n{lines}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n".encode()

        said = raw(head(self.path("key")) + b"hello")
        self.assertTrue(said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), said)
        self.assertEqual(self.read("key"), b"hello")
        self.assertTrue(raw(head("/no-such-bucket/key").replace(b"Signature=", b"Signature=0")).startswith(
            b"HTTP/1.1 403"))
        other = head(self.path("key")).replace(b"100-continue", b"200")  # means nothing to S3
        self.assertTrue(raw(other + b"hello").startswith(b"HTTP/1.1 200"))

    def test_what_is_not_understood_is_refused(self):
        for header, value in (("x-amz-server-side-encryption", "AES256"), ("x-amz-acl", "public-read"),
                              ("x-amz-object-lock-mode", "GOVERNANCE"), ("x-amz-grant-read", "id=1")):
            self.expect(501, "NotImplemented", "PUT", "key", body=b"x", headers={header: value})
        self.expect(400, "InvalidStorageClass", "PUT", "key", body=b"x", headers={"x-amz-storage-class": "FOO"})
        self.expect(403, "AccessDenied", "PUT", "key", body=b"x", headers={"x-amz-expected-bucket-owner": "1"})
        self.absent("key")


class Documents(Case):
    def delete(self, body, **headers):
        return send("POST", self.path("", "delete"), body, {"content-md5": md5(body.encode()), **headers})

    def test_delete_documents(self):
        self.assertIn(b"<Deleted><Key>none</Key></Deleted>",
                      self.delete("<Delete><Object><Key>none</Key></Object></Delete>").body)
        quiet = self.delete(f"<Delete {NAMESPACE}><Quiet>true</Quiet><Object><Key>none</Key></Object></Delete>")
        self.assertEqual((quiet.status, quiet.body.count(b"none")), (200, 0))
        prefixed = self.delete(f'<s:Delete {NAMESPACE.replace("xmlns", "xmlns:s")}><s:Object><s:Key>none</s:Key>'
                               "</s:Object></s:Delete>")
        self.assertEqual(prefixed.status, 200)
        mixed = self.delete("<Delete><Object><Key>a</Key><VersionId>junk</VersionId></Object>"
                            f"<Object><Key>{'k' * 1025}</Key></Object></Delete>")
        self.assertEqual(mixed.status, 200)
        self.assertEqual(re.findall(rb"<Code>(.*?)</Code>", mixed.body), [b"NoSuchVersion", b"KeyTooLongError"])

    def test_broken_documents(self):
        bomb = '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>'
        for body in ("", "<Delete></Delete>", "<Delete><Object><Key></Key></Object></Delete>", "<Other/>", bomb,
                     "<a>" * 50000, "<Delete>" + "<Object><Key>k</Key></Object>" * 1001 + "</Delete>",
                     "<Delete><Object><Key>&undefined;</Key></Object></Delete>", "\0", "<Delete/><Delete/>",
                     "<Delete><Object><Key>a & b</Key></Object></Delete>"):
            self.assertEqual(self.delete(body).result, (400, "MalformedXML"), body[:60])
        body = "<Delete><Object><Key>none</Key></Object></Delete>"
        self.assertEqual(self.do("POST", "", "delete", body).result, (400, "InvalidRequest"))
        self.assertEqual(self.delete(body, **{"content-md5": md5(b"")}).result, (400, "BadDigest"))
        self.assertEqual(self.delete(body, **{"content-md5": "zz"}).result, (400, "InvalidDigest"))

    def test_a_nul_in_a_key_does_not_end_it(self):
        for key in ("a", "a\0b"):
            s3.put_object(Bucket=self.bucket, Key=key, Body=b"")
        for zero in ("&#x0;", "&#0;", "&#x100000000;"):
            reply = self.delete(f"<Delete><Object><Key>a{zero}b</Key></Object></Delete>")
            self.assertEqual(reply.result, (400, "MalformedXML"))
        self.assertEqual(self.do("HEAD", "a").status, 200)
        self.expect(204, None, "DELETE", "a\0b")

    def test_create_bucket_documents(self):
        def create(body):
            Case.counter += 1
            return send("PUT", f"/created-{Case.counter}", body).result

        place = f"<CreateBucketConfiguration {NAMESPACE}><LocationConstraint>%s</LocationConstraint>" \
                "</CreateBucketConfiguration>"
        for body in ("", "<CreateBucketConfiguration/>", place % "", place % REGION):
            self.assertEqual(create(body), (200, None), body)
        self.assertEqual(create(place % "eu-west-1"), (400, "IllegalLocationConstraintException"))
        self.assertEqual(create("junk"), (400, "MalformedXML"))
        self.assertEqual(create("<Other/>"), (400, "MalformedXML"))

    def test_versioning_documents(self):
        for body in ("", "<VersioningConfiguration><Status>Other</Status></VersioningConfiguration>"):
            self.expect(400, "MalformedXML", "PUT", "", "versioning", body)
        self.expect(400, "IllegalVersioningConfigurationException", "PUT", "", "versioning", "<VersioningConfiguration/>")

    def test_tags(self):
        s3.put_object(Bucket=self.bucket, Key="key", Body=b"")

        def tag(*pairs):
            tags = "".join(f"<Tag><Key>{k}</Key><Value>{v}</Value></Tag>" for k, v in pairs)
            return self.do("PUT", "key", "tagging", f"<Tagging><TagSet>{tags}</TagSet></Tagging>").result

        good, bad = (200, None), (400, "InvalidTag")
        self.assertEqual(tag(*((f"k{i}", "v") for i in range(10))), good)
        self.assertEqual(tag(*((f"k{i}", "v") for i in range(11))), (400, "BadRequest"))
        for pair, result in ((("é" * 128, "v"), good), (("k" * 129, "v"), bad), (("k", "v" * 256), good),
                             (("k", "v" * 257), bad), (("", "v"), bad), (("k", ""), good), (("aws:k", "v"), bad)):
            self.assertEqual(tag(pair), result, pair)
        self.assertEqual(tag(("k", "1"), ("k", "2")), bad)
        argument = (400, "InvalidArgument")
        for text, result in (("a%20b=c+d", good), ("a", good), ("&&", good), ("a=&b", good), ("a=b&a=c", argument),
                             ("=v", argument), ("=", argument), ("%zz=1", argument), ("a*=b", bad), ("a=b*", bad)):
            self.assertEqual(self.do("PUT", "tagged", body=b"", headers={"x-amz-tagging": text}).result, result, text)


class Conditions(Case):
    def test_reads(self):
        etag = self.do("PUT", "key", body=b"0123456789").headers["etag"]
        written = self.do("HEAD", "key").headers["last-modified"]
        old, future = "Sat, 29 Oct 1994 19:43:31 GMT", "Sat, 29 Oct 2044 19:43:31 GMT"
        for headers, status in (({"if-none-match": etag}, 304), ({"if-none-match": f"W/{etag}"}, 304),
                                ({"if-none-match": etag.strip('"')}, 304), ({"if-none-match": f'"x", {etag}'}, 304),
                                ({"if-none-match": "*"}, 304), ({"if-none-match": '"x"'}, 200),
                                ({"if-match": "*"}, 200), ({"if-match": '"x"'}, 412), ({"if-match": f'"x",{etag}'}, 200),
                                ({"if-modified-since": written}, 304), ({"if-modified-since": old}, 200),
                                ({"if-modified-since": future}, 200), ({"if-unmodified-since": written}, 200),
                                ({"if-modified-since": "junk"}, 200), ({"if-unmodified-since": old}, 412),
                                ({"if-match": etag, "if-unmodified-since": old}, 200),
                                ({"if-none-match": '"x"', "if-modified-since": future}, 200)):
            for method in ("GET", "HEAD"):
                reply = self.do(method, "key", headers=headers)
                self.assertEqual(reply.status, status, headers)
                if status == 304:
                    self.assertEqual((reply.body, reply.headers["etag"]), (b"", etag))
                    self.assertIn("last-modified", reply.headers)

    def test_writes(self):
        self.expect(404, "NoSuchKey", "PUT", "key", body=b"1", headers={"if-match": "*"})
        etag = self.expect(200, None, "PUT", "key", body=b"1", headers={"if-none-match": "*"}).headers["etag"]
        self.expect(412, "PreconditionFailed", "PUT", "key", body=b"2", headers={"if-none-match": "*"})
        self.expect(412, "PreconditionFailed", "PUT", "key", body=b"2", headers={"if-match": '"x"'})
        self.expect(412, "PreconditionFailed", "DELETE", "key", headers={"if-match": '"x"'})
        self.assertEqual(self.read("key"), b"1")
        self.expect(200, None, "PUT", "key", body=b"2", headers={"if-match": etag})

    def test_ranges(self):
        self.do("PUT", "key", body=b"0123456789")
        self.do("PUT", "empty", body=b"")
        for text, got in (("bytes= -1", None), ("bytes=0 -1", None), ("bytes=0-1,3-4", None), ("bytes=5-2", None),
                          ("bytes=a-b", None), ("chars=0-1", None),
                          ("bytes=", None), ("bytes=9-", b"9"), ("bytes=-3", b"789"), ("bytes=-100", b"0123456789"),
                          ("bytes=0-99999999999999999999", b"0123456789")):
            reply = self.do("GET", "key", headers={"range": text})
            self.assertEqual((reply.status, reply.body), (206, got) if got else (200, b"0123456789"), text)
        for key, text in (("key", "bytes=10-"), ("key", "bytes=-0"), ("key", "bytes=99999999999999999999-"),
                          ("empty", "bytes=0-"), ("empty", "bytes=-1")):
            self.expect(416, "InvalidRange", "GET", key, headers={"range": text})
            self.assertEqual(self.do("HEAD", key, headers={"range": text}).body, b"")

    def test_exactly_one_wins(self):
        def write(number, headers):
            return self.do("PUT", "key", body=str(number).encode(), headers=headers).status

        with ThreadPoolExecutor(16) as pool:
            first = list(pool.map(lambda n: write(n, {"if-none-match": "*"}), range(48)))
            self.assertEqual(Counter(first), {200: 1, 412: 47})
            self.assertEqual(self.read("key"), str(first.index(200)).encode())
            etag = self.do("HEAD", "key").headers["etag"]
            second = list(pool.map(lambda n: write(100 + n, {"if-match": etag}), range(48)))
        self.assertEqual(Counter(second), {200: 1, 412: 47})
        self.assertEqual(self.read("key"), str(100 + second.index(200)).encode())


class Bodies(Case):
    DATA = b"hello world" * 100

    def chunked(self, body=DATA, trailer="", announce=None, size=None, payload=TRAILER, headers=None):
        text = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 512]), body[i:i + 512]) for i in range(0, len(body), 512))
        text += f"0\r\n{trailer}\r\n".encode()
        more = {"x-amz-decoded-content-length": str(len(body) if size is None else size), **(headers or {})}
        if announce:
            more["x-amz-trailer"] = announce
        return self.do("PUT", "key", body=text, headers=more, payload=payload)

    def test_trailers(self):
        name = "x-amz-checksum-crc32"
        good = f"{name}:{crc32(self.DATA)}\r\n"
        reply = self.chunked(trailer=good, announce=name, headers={"content-encoding": "gzip, aws-chunked"})
        self.assertEqual((reply.result, reply.headers[name]), ((200, None), crc32(self.DATA)))
        self.assertEqual(self.do("HEAD", "key").headers["content-encoding"], "gzip")
        self.assertEqual(self.read("key"), self.DATA)
        s3.delete_object(Bucket=self.bucket, Key="key")
        for trailer, announce, code in ((f"{name}:AAAAAA==\r\n", name, "BadDigest"),
                                        ("", name, "MalformedTrailerError"),
                                        (good.replace("crc32", "crc32c"), name, "MalformedTrailerError"),
                                        (good, None, "MalformedTrailerError"),
                                        ("x-amz-meta-a:b\r\n", "x-amz-meta-a", "InvalidRequest")):
            self.assertEqual(self.chunked(trailer=trailer, announce=announce).result, (400, code), trailer)
        for size in (5, 5000):
            self.assertEqual(self.chunked(size=size).result, (400, "IncompleteBody"))
        self.assertEqual(self.chunked(size="x").result, (411, "MissingContentLength"))
        self.assertEqual(self.chunked(payload="STREAMING-OTHER").result, (400, "InvalidArgument"))
        self.absent("key")

    def signed_chunks(self, chunks, spoil=None, trailer=None, spoil_trailer=False, cut=0):
        signer = Signer()
        payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
        headers = {"x-amz-decoded-content-length": str(sum(map(len, chunks)))}
        if trailer:
            headers["x-amz-trailer"] = trailer.partition(":")[0]
        signed = signer.headers("PUT", self.path("key"), headers, payload)
        last, body = signer.seed, b""
        for number, chunk in enumerate([*chunks, b""]):
            last = signer.signature("AWS4-HMAC-SHA256-PAYLOAD", last, sha256(b""), sha256(chunk))
            data = b"!" + chunk[1:] if spoil == number and chunk else chunk
            shown = "0" * 64 if spoil == number and not chunk else last
            body += f"{len(data):x};chunk-signature={shown}\r\n".encode() + data
            body += b"" if trailer and not chunk else b"\r\n"
        if trailer:
            last = signer.signature("AWS4-HMAC-SHA256-TRAILER", last, sha256(f"{trailer}\n".encode()))
            shown = "0" * 64 if spoil_trailer else last
            body += f"{trailer}\r\nx-amz-trailer-signature:{shown}\r\n\r\n".encode()
        return exchange("PUT", self.path("key"), signed, body[:len(body) - cut])

    def test_signed_chunks(self):
        chunks = [b"A" * 65536, b"b" * 100]
        whole = b"".join(chunks)
        for spoil in (0, 1, 2):
            self.assertEqual(self.signed_chunks(chunks, spoil).result, (403, "SignatureDoesNotMatch"), spoil)
        good = f"x-amz-checksum-crc32:{crc32(whole)}"
        self.assertEqual(self.signed_chunks(chunks, trailer="x-amz-checksum-crc32:AAAAAA==").code, "BadDigest")
        self.assertEqual(self.signed_chunks(chunks, trailer=good, spoil_trailer=True).code, "SignatureDoesNotMatch")
        self.assertEqual(self.signed_chunks(chunks, cut=90).code, "IncompleteBody")
        self.absent("key")
        self.assertEqual(self.signed_chunks(chunks, trailer=good).status, 200)
        self.assertEqual(self.read("key"), whole)
        self.assertEqual(self.signed_chunks([]).status, 200)
        self.assertEqual(self.read("key"), b"")

    def test_digests(self):
        sums = {"x-amz-checksum-crc32": crc32(self.DATA), "x-amz-checksum-sha256": b64(hashlib.sha256(self.DATA).digest())}
        for headers, code in (({"content-md5": md5(b"other")}, "BadDigest"), ({"content-md5": "x"}, "InvalidDigest"),
                              ({"content-md5": ""}, "InvalidDigest"), ({"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest"),
                              ({"x-amz-checksum-crc32": "!"}, "InvalidRequest"), (sums, "InvalidRequest"),
                              ({"x-amz-sdk-checksum-algorithm": "CRC32"}, "InvalidRequest"),
                              ({"x-amz-sdk-checksum-algorithm": "FOO"}, "InvalidRequest")):
            self.expect(400, code, "PUT", "key", body=self.DATA, headers=headers)
        self.expect(400, "XAmzContentSHA256Mismatch", "PUT", "key", body=b"abc", payload="0" * 64)
        self.expect(400, "InvalidArgument", "PUT", "key", body=b"abc", payload="zz")
        self.absent("key")

    def test_metadata(self):
        for sent, got in (("x y", "x y"), ("", ""), ("é", "=?UTF-8?B?w6k=?="), ("=?UTF-8?B?w6k=?=", "=?UTF-8?B?w6k=?="),
                          ("  a  ", "a")):
            self.expect(200, None, "PUT", "key", body=b"", headers={"X-Amz-Meta-A-B_c": sent})
            self.assertEqual(self.do("HEAD", "key").headers["x-amz-meta-a-b_c"], got)


class Signatures(Case):
    def list(self, signer=None, **more):
        return self.do("GET", signer=signer, **more).result

    def test_scope_and_time(self):
        self.assertEqual(self.list(Signer(seconds=-800)), (200, None))
        self.assertEqual(self.list(Signer(seconds=-1000)), (403, "RequestTimeTooSkewed"))
        self.assertEqual(self.list(Signer(seconds=1000)), (403, "RequestTimeTooSkewed"))
        self.assertEqual(self.list(Signer(service="ec2")), (400, "AuthorizationHeaderMalformed"))
        self.assertEqual(self.list(Signer(region="eu-west-1")), (400, "AuthorizationHeaderMalformed"))
        self.assertEqual(self.list(unsigned={"x-amz-date": "20100707T215304Z"}), (403, "RequestTimeTooSkewed"))

    def test_head_bucket_tells_the_region_to_whoever_asks(self):
        for reply in (self.do("HEAD", signer=Signer(region="eu-west-1")), exchange("HEAD", self.path(), {"host": "x"})):
            self.assertIn(reply.status, (400, 403))
            self.assertEqual((reply.headers["x-amz-bucket-region"], reply.body), (REGION, b""))
        reply = self.do("HEAD", "key", signer=Signer(region="eu-west-1"))
        self.assertEqual((reply.status, reply.headers["x-amz-bucket-region"]), (400, REGION))

    def test_what_is_not_signed_has_no_effect(self):
        self.expect(403, "AccessDenied", "PUT", "key", body=b"1", unsigned={"x-amz-meta-a": "b"})
        self.expect(403, "SignatureDoesNotMatch", "PUT", "key", body=b"1", unsigned={"x-amz-date": Signer(seconds=5).date})
        self.absent("key")
        for text, result in (("", (403, "AccessDenied")), ("Bearer x", (400, "InvalidArgument")),
                             ("AWS HAHAHA", (400, "InvalidArgument")), ("AWS x:y", (400, "InvalidRequest")),
                             ("AWS4-HMAC-SHA256 x", (400, "AuthorizationHeaderMalformed")),
                             ("AWS4-HMAC-SHA256 Credential=a/b/c", (400, "AuthorizationHeaderMalformed")),
                             ("AWS4-HMAC-SHA256 Credential=NOBODY/20150930/us-east-1/s3/aws4_request,"
                              "SignedHeaders=host,Signature=x", (403, "InvalidAccessKeyId"))):
            reply = exchange("GET", self.path(), {"host": "x", "authorization": text, "x-amz-date": Signer().date,
                                                  "x-amz-content-sha256": UNSIGNED})
            self.assertEqual(reply.result, result, text)

    def presigned(self, method="get_object", **parameters):
        seconds = parameters.pop("seconds", 60)
        url = urlsplit(s3.generate_presigned_url(method, Params=dict(Bucket=self.bucket, **parameters),
                                                 ExpiresIn=seconds))
        return f"{url.path}?{url.query}"

    def follow(self, target, method="GET", body=b"", **headers):
        return exchange(method, target, {"host": f"127.0.0.1:{server.port}", **headers}, body)

    def test_presigned(self):
        s3.put_object(Bucket=self.bucket, Key="key", Body=b"xyz")
        target = self.presigned(Key="key", ResponseContentType="a/b", ResponseContentDisposition='attachment; f="a b"')
        reply = self.follow(target)
        self.assertEqual((reply.status, reply.headers["content-type"], reply.headers["content-disposition"]),
                         (200, "a/b", 'attachment; f="a b"'))
        self.assertEqual(self.follow(target, range="bytes=1-1").body, b"y")
        for changed in (target + "&x=1", target.replace("X-Amz-Expires=60", "X-Amz-Expires=61")):
            self.assertEqual(self.follow(changed).code, "SignatureDoesNotMatch")
        self.assertEqual(self.follow(target, "DELETE").code, "SignatureDoesNotMatch")
        self.assertEqual(self.follow(target, **{"x-amz-meta-a": "b"}).code, "AccessDenied")
        for seconds in ("604801", "-1", "x"):
            bent = target.replace("X-Amz-Expires=60", f"X-Amz-Expires={seconds}")
            self.assertEqual(self.follow(bent).code, "AuthorizationQueryParametersError")
        self.assertEqual(self.read("key"), b"xyz")

    def test_presigned_values_cannot_make_headers(self):
        s3.put_object(Bucket=self.bucket, Key="key", Body=b"xyz")
        for value in ("a\r\nX-Evil: 1", "a\0b", "a\nb"):
            reply = self.follow(self.presigned(Key="key", ResponseContentDisposition=value))
            self.assertEqual((reply.result, reply.headers.get("x-evil")), ((400, "InvalidArgument"), None))


class Listings(Case):
    ALPHABET = ["a", "b", "/", "//", "|", "\x01", "é", "\U00010000", "\uffff", "z", ".", "%", "&", "+", " "]

    @staticmethod
    def model(keys, prefix, delimiter, after):
        out = []
        for key in keys:
            if not key.startswith(prefix):
                continue
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            name = key if at < 0 else key[:at + len(delimiter)]
            if name.encode() > after.encode() and (not out or out[-1] != name):
                out.append(name)
        return out

    def pages(self, version, limit, after, **arguments):
        token, names = None, []
        while True:
            more = dict(arguments, Bucket=self.bucket, MaxKeys=limit)
            if version == 1:
                more["Marker"] = after
                page = s3.list_objects(**more)
            else:
                more.update({"ContinuationToken": token} if token else {"StartAfter": after})
                page = s3.list_objects_v2(**more)
            here = [e["Key"] for e in page.get("Contents", [])] + [e["Prefix"] for e in page.get("CommonPrefixes", [])]
            self.assertLessEqual(len(here), limit)
            names += sorted(here, key=str.encode)
            if not page["IsTruncated"]:
                return names
            self.assertTrue(here)
            token = page.get("NextContinuationToken")
            after = page.get("NextMarker") or names[-1]

    def test_against_a_model(self):
        rnd = random.Random(7)
        word = lambda most: "".join(rnd.choices(self.ALPHABET, k=rnd.randint(1, most)))  # noqa: E731
        keys = sorted({word(5) for _ in range(100)}, key=str.encode)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: s3.put_object(Bucket=self.bucket, Key=key, Body=b""), keys))
        for _ in range(120):
            prefix = rnd.choice(["", "", "a", "/", "b/", "é", word(2)])
            delimiter = rnd.choice(["", "/", "/", "//", "|", "é", "a", "ab", "\U00010000"])
            after = rnd.choice(["", rnd.choice(keys), word(3)])
            limit, version = rnd.choice([1, 3, 7, 1000]), rnd.choice([1, 2])
            got = self.pages(version, limit, after, Prefix=prefix, Delimiter=delimiter)
            self.assertEqual(got, self.model(keys, prefix, delimiter, after), (version, prefix, delimiter, after, limit))

    def test_bounds(self):
        s3.put_object(Bucket=self.bucket, Key="key", Body=b"")
        for query in ("max-keys=-1", "max-keys=x", "max-keys=2147483648", "encoding-type=x",
                      "list-type=2&continuation-token=junk", "version-id-marker=x&versions"):
            self.expect(400, "InvalidArgument", "GET", "", query)
        for query in ("max-keys=0", "list-type=2&max-keys=0", "max-keys=0&versions", "max-uploads=0&uploads"):
            reply = self.expect(200, None, "GET", "", query)
            self.assertIn(b"<IsTruncated>false</IsTruncated>", reply.body)
            self.assertNotIn(b"<Key>", reply.body)
        self.assertIn(b"<MaxKeys>1000</MaxKeys>", self.do("GET", "", "max-keys=5000").body)

    def test_a_page_that_ends_before_deleted_keys_is_the_last(self):
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        for key in "abc":
            s3.put_object(Bucket=self.bucket, Key=key, Body=b"")
        s3.delete_object(Bucket=self.bucket, Key="c")
        page = s3.list_objects_v2(Bucket=self.bucket, MaxKeys=2)
        self.assertEqual(([e["Key"] for e in page["Contents"]], page["IsTruncated"]), (["a", "b"], False))


class Copies(Case):
    def test_forms_of_the_source(self):
        s3.put_object(Bucket=self.bucket, Key="a b+é", Body=b"source", Metadata={"m": "1"}, Tagging="a=b")
        b = self.bucket
        for source in (f"{b}/a%20b%2B%C3%A9", f"/{b}/a%20b%2B%C3%A9", f"{b}%2Fa%20b%2B%C3%A9",
                       f"{b}/a%20b%2B%C3%A9?versionId=null", f"{b}%2Fa+b%2B%C3%A9"):
            self.expect(200, None, "PUT", "copy", headers={"x-amz-copy-source": source})
            self.assertEqual(self.do("HEAD", "copy").headers["x-amz-meta-m"], "1")
        for source, status, code in ((f"{b}/none", 404, "NoSuchKey"), ("no-such-bucket/x", 404, "NoSuchBucket"),
                                     (b, 400, "InvalidArgument"), (f"{b}/", 400, "InvalidArgument"),
                                     ("", 400, "InvalidArgument"), (f"{b}/%zz", 400, "InvalidArgument"),
                                     ("192.168.1.1/foo", 400, "InvalidArgument"),
                                     ("my-buc@k&()t/obj", 400, "InvalidArgument"),
                                     (f"{b}/{'k' * 1025}", 400, "InvalidArgument"),
                                     (f"{b}/copy?versionId=junk", 400, "InvalidArgument"),
                                     (f"{b}/x%3FversionId=null", 404, "NoSuchKey")):
            self.expect(status, code, "PUT", "other", headers={"x-amz-copy-source": source})
        itself = {"x-amz-copy-source": f"{b}/copy"}
        self.expect(400, "InvalidRequest", "PUT", "copy", headers=itself)
        self.expect(200, None, "PUT", "copy", headers={**itself, "x-amz-storage-class": "STANDARD"})
        self.expect(200, None, "PUT", "copy", headers={**itself, "x-amz-metadata-directive": "REPLACE"})
        self.assertNotIn("x-amz-meta-m", self.do("HEAD", "copy").headers)


class Uploads(Case):
    def setUp(self):
        super().setUp()
        self.id = s3.create_multipart_upload(Bucket=self.bucket, Key="key")["UploadId"]

    def part(self, number, body):
        return self.do("PUT", "key", f"partNumber={number}&uploadId={self.id}", body)

    def complete(self, *parts, body=None, upload=None, **more):
        rows = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{e}</ETag></Part>" for n, e in parts)
        body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>" if body is None else body
        return self.do("POST", "key", f"uploadId={upload or self.id}", body, **more)

    def test_completions(self):
        for number in ("0", "10001", "-1", "x", "", "1.5"):
            self.assertEqual(self.part(number, b"x").result, (400, "InvalidArgument"))
        big = b"a" * (5 << 20)
        first, stale = self.part(1, big).headers["etag"], self.part(2, b"x").headers["etag"]
        second, third = self.part(2, b"yy").headers["etag"], self.part(3, b"z").headers["etag"]
        for parts, code in ((((1, first), (2, stale)), "InvalidPart"), (((1, first), (4, third)), "InvalidPart"),
                            (((2, second), (1, first)), "InvalidPartOrder"),
                            (((1, first), (1, first)), "InvalidPartOrder"),
                            (((2, second), (3, third)), "EntityTooSmall"), ((), "MalformedXML"),
                            ((("x", first),), "MalformedXML"), (((10001, first),), "InvalidArgument"),
                            (((0, first),), "InvalidArgument"), (((-4, first),), "InvalidArgument")):
            self.assertEqual(self.complete(*parts).result, (400, code), parts)
        self.assertEqual(self.complete(body="<Other/>").result, (400, "MalformedXML"))
        self.assertEqual(self.complete(body="").result, (400, "InvalidRequest"))
        self.assertEqual(self.complete((1, first), upload="junk").result, (404, "NoSuchUpload"))
        # A subset of the parts; entity tags quoted, escaped or bare.
        parts = (1, first.replace('"', "&quot;")), (2, second.strip('"'))
        done, again = self.complete(*parts), self.complete(*parts)
        self.assertEqual((done.status, again.status), (200, 200))
        self.assertEqual(self.do("HEAD", "key").headers["content-length"], str(len(big) + 2))
        self.assertEqual(self.do("GET", "key", "partNumber=2").body, b"yy")
        self.expect(416, "InvalidPartNumber", "GET", "key", "partNumber=3")
        self.expect(400, "InvalidRequest", "GET", "key", "partNumber=1", headers={"range": "bytes=0-1"})
        self.assertEqual(self.part(1, b"x").result, (404, "NoSuchUpload"))

    def test_a_missing_bucket_comes_before_a_missing_upload(self):
        for method, query in (("PUT", "partNumber=1&uploadId=x"), ("GET", "uploadId=x"), ("DELETE", "uploadId=x"),
                              ("POST", "uploadId=x")):
            self.assertEqual(send(method, f"/no-such-bucket/key?{query}", b"").result, (404, "NoSuchBucket"), method)
            self.expect(404, "NoSuchUpload", method, "key", query)

    def test_checksums_of_parts(self):
        other = s3.create_multipart_upload(Bucket=self.bucket, Key="key", ChecksumAlgorithm="SHA256")["UploadId"]
        target = f"partNumber=1&uploadId={other}"
        sums = {"x-amz-checksum-sha256": b64(hashlib.sha256(b"x").digest())}
        self.expect(400, "InvalidRequest", "PUT", "key", target, b"x")
        self.expect(400, "InvalidRequest", "PUT", "key", target, b"x", headers={"x-amz-checksum-crc32": crc32(b"x")})
        etag = self.expect(200, None, "PUT", "key", target, b"x", headers=sums).headers["etag"]
        good = f"<ChecksumSHA256>{sums['x-amz-checksum-sha256']}</ChecksumSHA256>"
        zeros = b64(bytes(32))
        for sums, result in (("", (400, "InvalidRequest")),
                             ("<ChecksumSHA256>bad</ChecksumSHA256>", (400, "InvalidArgument")),
                             (good + f"<ChecksumCRC32>{crc32(b'x')}</ChecksumCRC32>", (400, "InvalidArgument")),
                             (f"<ChecksumCRC32>{crc32(b'x')}</ChecksumCRC32>", (400, "BadDigest")),
                             (f"<ChecksumSHA256>{zeros}</ChecksumSHA256>", (400, "InvalidPart")), (good, (200, None))):
            body = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag>{sums}</Part>" \
                   "</CompleteMultipartUpload>"
            self.assertEqual(self.complete(body=body, upload=other).result, result, sums)

    def test_aborting_twice(self):
        self.expect(204, None, "DELETE", "key", f"uploadId={self.id}")
        self.expect(404, "NoSuchUpload", "DELETE", "key", f"uploadId={self.id}")
        self.expect(404, "NoSuchUpload", "GET", "key", f"uploadId={self.id}")

    def test_ranges_of_copied_parts(self):
        s3.put_object(Bucket=self.bucket, Key="source", Body=b"0123456789")
        for text, status in (("bytes=0-9", 200), ("bytes=3-3", 200), ("bytes=0-10", 400), ("bytes=5-2", 400),
                             ("bytes=-5", 400), ("bytes=0-", 400), ("0-5", 400)):
            headers = {"x-amz-copy-source": f"{self.bucket}/source", "x-amz-copy-source-range": text}
            self.assertEqual(self.do("PUT", "key", f"partNumber=1&uploadId={self.id}", headers=headers).status, status,
                             text)

    def test_completion_and_abort_race(self):
        etag = self.part(1, b"x").headers["etag"]

        def end(number):
            if number % 2:
                return self.complete((1, etag)).status
            return self.do("DELETE", "key", f"uploadId={self.id}").status

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(end, range(16)))
        aborted, completed = Counter(results[0::2]), Counter(results[1::2])
        if aborted[204]:
            self.assertEqual((aborted, completed), ({204: 1, 404: 7}, {404: 8}))
            self.absent("key")
        else:
            self.assertEqual((aborted, completed), ({404: 8}, {200: 8}))
            self.assertEqual(self.read("key"), b"x")


class Attributes(Case):
    def test_headers(self):
        self.do("PUT", "key", body=b"x")
        self.expect(400, "InvalidRequest", "GET", "key", "attributes")
        self.expect(400, "InvalidArgument", "GET", "key", "attributes", headers={"x-amz-object-attributes": "Size"})
        for limit in ("x", "-1", "1"):
            reply = self.do("GET", "key", "attributes",
                            headers={"x-amz-object-attributes": "ObjectSize", "x-amz-max-parts": limit})
            self.assertIn(b"<ObjectSize>1</ObjectSize>", reply.body, limit)


class Versions(Case):
    def test_writes_say_no_version_while_versioning_is_suspended(self):
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Suspended"})
        copy = {"x-amz-copy-source": f"{self.bucket}/key"}
        for key, headers in (("key", {}), ("copy", copy)):
            reply = self.do("PUT", key, headers=headers)
            self.assertEqual((reply.status, "x-amz-version-id" in reply.headers), (200, False))
        upload = s3.create_multipart_upload(Bucket=self.bucket, Key="parts")["UploadId"]
        part = s3.upload_part(Bucket=self.bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
        done = s3.complete_multipart_upload(Bucket=self.bucket, Key="parts", UploadId=upload, MultipartUpload={
            "Parts": [{"PartNumber": 1, "ETag": part}]})
        self.assertNotIn("VersionId", done)
        for key in ("key", "copy", "parts"):
            for method in ("GET", "HEAD"):
                self.assertEqual(self.do(method, key).headers["x-amz-version-id"], "null")
        reply = self.do("DELETE", "key")
        self.assertEqual((reply.headers["x-amz-delete-marker"], reply.headers["x-amz-version-id"]), ("true", "null"))

    def test_delete_markers(self):
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        version = s3.put_object(Bucket=self.bucket, Key="key", Body=b"1")["VersionId"]
        marker = s3.delete_object(Bucket=self.bucket, Key="key")["VersionId"]
        for method in ("GET", "HEAD"):
            reply = self.do(method, "key")
            self.assertEqual((reply.status, reply.headers["x-amz-delete-marker"]), (404, "true"))
            reply = self.do(method, "key", f"versionId={marker}")
            self.assertEqual((reply.status, reply.headers["allow"]), (405, "DELETE"))
            self.assertEqual(self.do(method, "key", "versionId=junk").status, 400)
            self.assertEqual(self.do(method, "key", "versionId=").status, 400)
            self.assertEqual(self.do(method, "other", f"versionId={version}").status, 404)
        self.expect(204, None, "DELETE", "other", f"versionId={version}")
        self.expect(204, None, "DELETE", "key", "versionId=null")
        self.expect(400, "InvalidRequest", "PUT", "copy",
                    headers={"x-amz-copy-source": f"{self.bucket}/key?versionId={marker}"})
        self.expect(404, "NoSuchKey", "PUT", "key", body=b"2", headers={"if-match": "*"})
        self.expect(200, None, "PUT", "key", body=b"2", headers={"if-none-match": "*"})
        self.assertEqual(self.do("GET", "key", f"versionId={version}").body, b"1")


if __name__ == "__main__":
    unittest.main()
