// SPDX-License-Identifier: PostgreSQL
#include "io/tls_session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>

#include "io/tls_context.h"
#include "pgweir/base/assert.h"

namespace pgweir::io {

// Between OpenSSL and the session's two buffers: nothing is copied twice, nothing kept.
struct TlsBio {
    static TlsSession& session_of(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* out, std::size_t size, std::size_t* done) {
        TlsSession& session = session_of(bio);
        BIO_clear_retry_flags(bio);
        const std::size_t n = std::min(size, session.input_.size());
        if (n == 0) {
            BIO_set_retry_read(bio);
            return 0;
        }
        std::memcpy(out, session.input_.data(), n);
        session.input_ = session.input_.subspan(n);
        *done = n;
        return 1;
    }

    static int write(BIO* bio, const char* data, std::size_t size, std::size_t* done) {
        TlsSession& session = session_of(bio);
        PGWEIR_ASSERT(session.output_ != nullptr);
        const auto* bytes = reinterpret_cast<const Byte*>(data);
        session.output_->insert(session.output_->end(), bytes, bytes + size);
        *done = size;
        return 1;
    }

    static long control(BIO*, int command, long, void*) {
        return command == BIO_CTRL_FLUSH ? 1 : 0;
    }

    static BIO_METHOD* method() {
        static BIO_METHOD* const shared = [] {
            BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "buffers");
            PGWEIR_ASSERT(made != nullptr);
            BIO_meth_set_read_ex(made, &TlsBio::read);
            BIO_meth_set_write_ex(made, &TlsBio::write);
            BIO_meth_set_ctrl(made, &TlsBio::control);
            return made;
        }();
        return shared;
    }
};

Byte* TlsBuffers::plain() {
    if (plain_ == nullptr) plain_.reset(new Byte[kPlainBytes]);
    return plain_.get();
}

Byte* TlsBuffers::record() {
    if (record_ == nullptr) record_.reset(new Byte[kRecordBytes]);
    return record_.get();
}

TlsSession::TlsSession(SSL_CTX* context, TlsRole role, TlsAlpn alpn)
    : ssl_(SSL_new(context)), role_(role), alpn_(alpn) {
    PGWEIR_ASSERT(ssl_ != nullptr);
    BIO* bio = BIO_new(TlsBio::method());
    PGWEIR_ASSERT(bio != nullptr);
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
    if (role == TlsRole::Server) {
        SSL_set_accept_state(ssl_);
    } else {
        SSL_set_connect_state(ssl_);
    }
}

TlsSession::~TlsSession() {
    SSL_free(ssl_);
}

void TlsSession::expect_server(const std::string& host, Verify verify) {
    std::array<unsigned char, sizeof(in6_addr)> address;
    const bool is_address = ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
                            ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
    const bool is_name = !host.empty() && host.front() != '/' && !is_address;
    // RFC 6066, 3: literal addresses are not permitted in server_name.
    if (is_name) SSL_set_tlsext_host_name(ssl_, host.c_str());
    if (verify == Verify::Nothing) return;
    SSL_set_verify(ssl_, SSL_VERIFY_PEER, nullptr);
    if (verify != Verify::ChainAndName) return;
    X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl_);
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address) {
        X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str());
    } else {
        X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size());
    }
}

TlsSession::Outcome TlsSession::outcome_of(int result) {
    const int error = SSL_get_error(ssl_, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return Outcome::NeedsInput;
    if (error == SSL_ERROR_ZERO_RETURN) return Outcome::Ended;
    failure_ = describe_failure(error, ERR_peek_last_error());
    ERR_clear_error();
    return Outcome::Failed;
}

std::string TlsSession::describe_failure(int ssl_error, unsigned long code) const {
    if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        return std::string("certificate verify failed: ") +
               X509_verify_cert_error_string(SSL_get_verify_result(ssl_));
    }
    const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
    if (reason != nullptr) return reason;
    return "OpenSSL error " + std::to_string(ssl_error);
}

TlsSession::Outcome TlsSession::handshake(Bytes& output) {
    ERR_clear_error();
    output_ = &output;
    const int result = SSL_do_handshake(ssl_);
    output_ = nullptr;
    if (result != 1) {
        const Outcome outcome = outcome_of(result);
        if (outcome != Outcome::Ended) return outcome;
        failure_ = "the other side ended it";
        return Outcome::Failed;
    }
    if (alpn_ == TlsAlpn::Required) {
        const unsigned char* chosen = nullptr;
        unsigned length = 0;
        SSL_get0_alpn_selected(ssl_, &chosen, &length);
        if (std::string_view(reinterpret_cast<const char*>(chosen), length) != kAlpnProtocol) {
            failure_ = "direct TLS without the ALPN protocol \"postgresql\"";
            return Outcome::Failed;
        }
    }
    secured_ = true;
    return Outcome::Done;
}

TlsSession::Outcome TlsSession::read(std::span<Byte> plain, std::size_t& n, Bytes& output) {
    ERR_clear_error();
    output_ = &output;
    n = 0;
    Outcome outcome = Outcome::Done;
    while (outcome == Outcome::Done && n < plain.size()) {
        std::size_t got = 0;
        const int result = SSL_read_ex(ssl_, plain.data() + n, plain.size() - n, &got);
        if (result == 1) {
            n += got;
        } else {
            outcome = outcome_of(result);
        }
    }
    output_ = nullptr;
    return outcome;
}

TlsSession::Outcome TlsSession::write(ByteView plain, Bytes& output) {
    ERR_clear_error();
    output_ = &output;
    std::size_t done = 0;
    const int result = SSL_write_ex(ssl_, plain.data(), plain.size(), &done);
    output_ = nullptr;
    // The BIO takes everything, so that there is no "try again" but during a handshake.
    if (result == 1 && done == plain.size()) return Outcome::Done;
    const Outcome outcome = outcome_of(result);
    return outcome == Outcome::NeedsInput ? Outcome::Failed : outcome;
}

void TlsSession::end(Bytes& output) {
    if (!secured_) return;
    ERR_clear_error();
    output_ = &output;
    SSL_shutdown(ssl_);
    output_ = nullptr;
    ERR_clear_error();
}

TlsPeer TlsSession::peer() const {
    TlsPeer peer;
    peer.version = SSL_get_version(ssl_);
    peer.cipher = SSL_get_cipher_name(ssl_);
    X509* certificate = SSL_get0_peer_certificate(ssl_);
    if (certificate != nullptr && SSL_get_verify_result(ssl_) == X509_V_OK) {
        peer.common_name = common_name_of(certificate);
    }
    peer.server_end_point = server_end_point();
    return peer;
}

Bytes TlsSession::server_end_point() const {
    X509* certificate =
        role_ == TlsRole::Server ? SSL_get_certificate(ssl_) : SSL_get0_peer_certificate(ssl_);
    if (certificate == nullptr) return {};
    int digest_id = NID_undef;
    if (X509_get_signature_info(certificate, &digest_id, nullptr, nullptr, nullptr) != 1) return {};
    // RFC 5929, 4.1: MD5 and SHA-1 are replaced by SHA-256; a signature that uses no hash of its
    // own (Ed25519) has no channel binding.
    if (digest_id == NID_md5 || digest_id == NID_sha1) digest_id = NID_sha256;
    const EVP_MD* digest = EVP_get_digestbynid(digest_id);
    if (digest == nullptr) return {};
    Bytes hash(EVP_MAX_MD_SIZE);
    unsigned length = 0;
    if (X509_digest(certificate, digest, hash.data(), &length) != 1) return {};
    hash.resize(length);
    return hash;
}

}  // namespace pgweir::io
