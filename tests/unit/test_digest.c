#include "base/digest.h"
#include "tests/unit/test.h"

static void assert_hex(const void *bytes, size_t len, const char *wanted)
{
    char text[2 * 64 + 1];
    hex_encode(bytes, len, text);
    assert_string_equal(text, wanted);
}

/* Vectors: FIPS 180-4's "abc" and the empty message. */
static void sha256(void **state)
{
    (void)state;
    struct sha256 digest = sha256_of(NULL, 0);
    assert_hex(digest.bytes, SHA256_SIZE, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest = sha256_of("abc", 3);
    assert_hex(digest.bytes, SHA256_SIZE, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void sha256_of_parts_is_that_of_the_whole(void **state)
{
    (void)state;
    const struct bytes_view parts[] = {{"a", 1}, {NULL, 0}, {"bc", 2}};
    struct sha256 got = sha256_of_parts(parts, 3), wanted = sha256_of("abc", 3);
    assert_memory_equal(got.bytes, wanted.bytes, SHA256_SIZE);
    got = sha256_of_parts(NULL, 0);
    wanted = sha256_of("", 0);
    assert_memory_equal(got.bytes, wanted.bytes, SHA256_SIZE);
}

/* Vectors: RFC 4231 test cases 1, 2 and 6 (a key longer than a block). */
static void hmac(void **state)
{
    (void)state;
    unsigned char key[131];
    memset(key, 0x0b, 20);
    struct sha256 digest = hmac_sha256(key, 20, "Hi There", 8);
    assert_hex(digest.bytes, SHA256_SIZE, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    digest = hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28);
    assert_hex(digest.bytes, SHA256_SIZE, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    digest = hmac_sha256(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54);
    assert_hex(digest.bytes, SHA256_SIZE, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    digest = hmac_sha256(NULL, 0, NULL, 0);
    assert_hex(digest.bytes, SHA256_SIZE, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    digest = hmac_sha256_of_parts(NULL, 0, NULL, 0);
    assert_hex(digest.bytes, SHA256_SIZE, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    const struct bytes_view parts[] = {{"what do ya ", 11}, {NULL, 0}, {"want for nothing?", 17}};
    digest = hmac_sha256_of_parts("Jefe", 4, parts, 3);
    assert_hex(digest.bytes, SHA256_SIZE, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void sha1(void **state)
{
    (void)state;
    uint8_t digest[SHA1_SIZE];
    sha1_of("abc", 3, digest);
    assert_hex(digest, SHA1_SIZE, "a9993e364706816aba3e25717850c26c9cd0d89d");
    sha1_of(NULL, 0, digest);
    assert_hex(digest, SHA1_SIZE, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

static void hex(void **state)
{
    (void)state;
    uint8_t bytes[3] = {0};
    assert_int_equal(hex_decode("00fFa9", 6, bytes, 3), ERR_OK);
    assert_memory_equal(bytes, "\x00\xff\xa9", 3);
    assert_hex(bytes, 3, "00ffa9");
    assert_hex(bytes, 0, "");
    assert_int_equal(hex_decode("", 0, bytes, 0), ERR_OK);
    assert_int_equal(hex_decode("00ffa", 5, bytes, 3), ERR_INVALID);
    assert_int_equal(hex_decode("00ffa9", 6, bytes, 2), ERR_INVALID);
    assert_int_equal(hex_decode("00ffa99", 7, bytes, 3), ERR_INVALID);
    assert_int_equal(hex_decode("00ffag", 6, bytes, 3), ERR_INVALID);
    assert_int_equal(hex_decode("00ff 9", 6, bytes, 3), ERR_INVALID);
    assert_int_equal(hex_decode("0x0fa9", 6, bytes, 3), ERR_INVALID);
}

static void assert_base64(const char *text, const char *wanted)
{
    char bytes[64];
    size_t len = 99;
    assert_int_equal(base64_decode(text, strlen(text), bytes, sizeof(bytes), &len), ERR_OK);
    assert_int_equal(len, strlen(wanted));
    assert_memory_equal(bytes, wanted, len);
}

/* Vectors: RFC 4648 section 10. */
static void base64(void **state)
{
    (void)state;
    assert_base64("", "");
    assert_base64("Zg==", "f");
    assert_base64("Zm8=", "fo");
    assert_base64("Zm9v", "foo");
    assert_base64("Zm9vYg==", "foob");
    assert_base64("Zm9vYmE=", "fooba");
    assert_base64("Zm9vYmFy", "foobar");
    assert_base64("+/+/", "\xfb\xff\xbf");
}

static void base64_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Zg",   "Zg=",  "Zg===", "Z===", "====", "=",    "Zm9v\n", "Zm 9v===", "Zm9vYg",   "Zg==Zm9v",
        "Zm=v", "Z=9v", "Zm9-",  "Zm9_", "Zh==", "Zm9=", "Zg== ",  " Zg==",    "Zm9vYmF=", "Zm\xc3\xa4",
    };
    char bytes[64];
    size_t len = 99;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (base64_decode(bad[i], strlen(bad[i]), bytes, sizeof(bytes), &len) != ERR_INVALID)
            fail_msg("taken: \"%s\"", bad[i]);
    }
    assert_int_equal(base64_decode("Zm\0v", 4, bytes, sizeof(bytes), &len), ERR_INVALID);
    assert_int_equal(len, 99);
}

static void base64_keeps_to_its_room(void **state)
{
    (void)state;
    char bytes[5] = "....";
    size_t len;
    assert_int_equal(base64_decode("Zm9vYg==", 8, bytes, 3, &len), ERR_TOO_BIG);
    assert_string_equal(bytes, "....");
    assert_int_equal(base64_decode("Zm9vYg==", 8, bytes, 4, &len), ERR_OK);
    assert_int_equal(len, 4);
    assert_string_equal(bytes, "foob");
    assert_int_equal(base64_decode("", 0, NULL, 0, &len), ERR_OK);
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256),
        cmocka_unit_test(sha256_of_parts_is_that_of_the_whole),
        cmocka_unit_test(hmac),
        cmocka_unit_test(sha1),
        cmocka_unit_test(hex),
        cmocka_unit_test(base64),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(base64_keeps_to_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
