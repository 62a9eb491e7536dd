// SPDX-License-Identifier: PostgreSQL
#include "certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace pgweir::io::testing {

namespace {

std::string pem_text(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
}

std::string pem_of(X509* certificate) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    return pem_text(bio);
}

std::string pem_of(EVP_PKEY* key) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    return pem_text(bio);
}

X509* make_certificate(const std::string& common_name, EVP_PKEY* key, long serial) {
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 24L * 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(common_name.data()),
                               static_cast<int>(common_name.size()), -1, 0);
    return certificate;
}

void add_extension(X509* certificate, int id, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
    REQUIRE(extension != nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

}  // namespace

struct CertificateAuthority::Keys {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = make_certificate("test authority", key, 1);
    long serial = 1;
};

CertificateAuthority::CertificateAuthority(const TemporaryFolder& folder, std::string file)
    : folder_(folder), keys_(std::make_unique<Keys>()) {
    X509_set_issuer_name(keys_->certificate, X509_get_subject_name(keys_->certificate));
    add_extension(keys_->certificate, NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(keys_->certificate, keys_->key, EVP_sha256());
    folder_.write(file, pem_of(keys_->certificate));
}

CertificateAuthority::~CertificateAuthority() {
    X509_free(keys_->certificate);
    EVP_PKEY_free(keys_->key);
}

void CertificateAuthority::issue(const std::string& file, const CertificateRequest& request) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = make_certificate(request.common_name, key, ++keys_->serial);
    X509_set_issuer_name(certificate, X509_get_subject_name(keys_->certificate));
    if (!request.alternative_name.empty()) {
        add_extension(certificate, NID_subject_alt_name, request.alternative_name);
    }
    X509_sign(certificate, keys_->key, EVP_sha256());
    folder_.write(file + ".crt", pem_of(certificate));
    folder_.write(file + ".key", pem_of(key));
    X509_free(certificate);
    EVP_PKEY_free(key);
}

}  // namespace pgweir::io::testing
