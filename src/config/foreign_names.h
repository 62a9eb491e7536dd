// SPDX-License-Identifier: PostgreSQL
// Options of PgBouncer that have another name here, or none: people type what they know.
#pragma once

#include <array>
#include <string_view>

namespace pgweir::config {

struct ForeignName {
    std::string_view name;
    std::string_view answer;  // What to write instead, or why nothing is needed.
};

inline constexpr std::array<ForeignName, 30> kForeignNames{{
    {"listen_addr", "write listen = [\"address:port\"] in [pgweir]"},
    {"listen_port", "write listen = [\"address:port\"] in [pgweir]"},
    {"unix_socket_dir", "write listen = [\"/directory:port\"] in [pgweir]"},
    {"unix_socket_group", "the socket belongs to pgweir's own group; see unix_socket_mode"},
    {"logfile", "write log_file in [pgweir]"},
    {"verbose", "write log_level = \"debug\" in [pgweir]"},
    {"syslog", "systemd's journal takes what pgweir writes to standard error"},
    {"auth_hba_file", "write [[hba]] rules into this file"},
    {"auth_ident_file", "user name maps are not supported"},
    {"pool_size", "write default_pool_size in [limits]"},
    {"res_pool_size", "write reserve_pool_size in [limits]"},
    {"reserve_pool", "write reserve_pool_size"},
    {"max_packet_size", "write max_message_size in [limits]"},
    {"pkt_buf", "buffers grow and shrink by themselves"},
    {"so_reuseport", "write workers = 0 in [pgweir] to use every processor core"},
    {"tcp_defer_accept", "client_login_timeout and max_login_clients bound silent connections"},
    {"tcp_socket_buffer", "the system sizes socket buffers"},
    {"sbuf_loopcnt", "every connection gets its turn"},
    {"server_round_robin", "the server used last is used first"},
    {"server_check_query", "a server that is lost is noticed at once, and closed"},
    {"server_check_delay", "a server that is lost is noticed at once, and closed"},
    {"server_fast_close", "a reload closes servers whose login changed as they become free"},
    {"track_extra_parameters", "everything that PostgreSQL reports is tracked"},
    {"client_tls_protocols", "write client_tls_min_protocol in [tls]"},
    {"require_auth", "write server_require_auth in [tls]"},
    {"channel_binding", "write server_channel_binding in [tls]"},
    {"server_tls_protocols", "write server_tls_min_protocol in [tls]"},
    {"client_tls13_ciphers", "OpenSSL's choice holds for TLS 1.3"},
    {"server_tls13_ciphers", "OpenSSL's choice holds for TLS 1.3"},
    {"service_name", "systemd and the log know the process by its own name"},
}};

}  // namespace pgweir::config
