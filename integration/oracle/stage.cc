// SPDX-License-Identifier: PostgreSQL
#include "stage.h"

#include "shared.h"

namespace pgweir::integration::oracle {
namespace {

// On the "$user" part of everybody's search path.
constexpr const char* kTables = R"(
drop schema if exists trusty cascade;
create schema trusty authorization trusty;
set role trusty;
create table trusty.t (n int primary key, s text);
insert into trusty.t values (1, 'one'), (2, 'two'), (3, 'three');
create table trusty.deferred (n int unique deferrable initially deferred);
create table trusty.checked (n int constraint positive check (n > 0), d int not null default 1);
create sequence trusty.q;
create function trusty.warn(text) returns text language plpgsql
    as 'begin raise warning ''%'', $1; return $1; end';
create function trusty.fail(text) returns text language plpgsql
    as 'begin raise exception ''%'', $1 using errcode = ''ZZ123'', detail = ''a detail'',
        hint = ''a hint''; end';
create procedure trusty.commits() language plpgsql as 'begin commit; end';
reset role;)";

}  // namespace

std::string name_of(Mode mode) {
    switch (mode) {
        case Mode::Session:
            return "session";
        case Mode::Transaction:
            return "transaction";
        case Mode::Statement:
            return "statement";
        case Mode::Moved:
            return "moved";
        case Mode::Bytewise:
            return "bytewise";
        case Mode::Split:
            return "split";
    }
    return "";
}

bool makes_sense(const Conversation& conversation, Mode mode) {
    // There the pool has no server for a second client.
    if (mode == Mode::Moved && conversation.has_two_clients()) return false;
    switch (conversation.needs) {
        case Needs::Nothing:
            return true;
        case Needs::Transactions:
            return mode != Mode::Statement;
        case Needs::Session:
            return mode == Mode::Session;
    }
    return false;
}

Stirrer::Stirrer(const Target& target) : one_(target), two_(target) {
    for (RawClient* client : {&one_, &two_}) {
        client->login({{"application_name", "stirrer"},
                       {"TimeZone", "Asia/Kabul"},
                       {"DateStyle", "German"},
                       {"IntervalStyle", "sql_standard"}});
    }
    take_server(one_);
}

void Stirrer::take_server(RawClient& client) {
    client.ask(query("begin"));
    client.ask(parse("", "select 'not yours'") + parse("s", "select 'nor this'") + sync_point());
    client.ask(close_statement("s") + sync_point());
}

void Stirrer::stir() {
    RawClient& holds = one_holds_ ? one_ : two_;
    RawClient& waits = one_holds_ ? two_ : one_;
    take_server(waits);
    holds.ask(query("rollback"));
    one_holds_ = !one_holds_;
}

Stage::Stage()
    // A commit of the stage's own returns when the standby shows it, too.
    : cluster_({"synchronous_standby_names = '*'"}),
      standby_(cluster_.add_standby({"app.node = 'standby'"})),
      owner_(std::make_unique<Connection>(cluster_.owner())) {
    owner_->must("set synchronous_commit = remote_apply");
    owner_->must("set lock_timeout = '60s'");
    owner_->must("set client_min_messages = warning");

    owner_->must(kTables);

    PgweirConfig split = config(Mode::Split);
    const std::string primary = "127.0.0.1:" + std::to_string(cluster_.port());
    const std::string standby = "127.0.0.1:" + std::to_string(standby_.port());
    split.database("split", "nodes", "[\"" + primary + "\", \"" + standby + "\"]");
    split.database("split", "dbname", "\"app\"");
    // Two clients tell one another what no session's own reads and writes say.
    split.database("strong", "nodes", "[\"" + primary + "\", \"" + standby + "\"]");
    split.database("strong", "dbname", "\"app\"");
    split.database("strong", "consistency", "\"strong\"");
    split.set("cluster", "monitor_user", "\"trusty\"");
    split.set("cluster", "probe_interval", "\"50ms\"");
    split.set("routing", "slow_start", "\"0s\"");
    Scene& scene = scenes_[static_cast<int>(Mode::Split)];
    scene.pgweir = std::make_unique<PgweirProcess>(split);
    wait_until("reads are served by the standby", [&] {
        return Connection(target(Mode::Split))
                   .value("select current_setting('app.node', true) from numbers limit 1") ==
               "standby";
    });
}

PgweirConfig Stage::config(Mode mode) const {
    PgweirConfig config(cluster_);
    const bool is_special = mode == Mode::Session || mode == Mode::Statement;
    config.general("pool_mode", "\"" + (is_special ? name_of(mode) : "transaction") + "\"");
    config.limit("default_pool_size", mode == Mode::Moved ? 2 : 4);
    return config;
}

Target Stage::target(Mode mode) {
    Target target = scene(mode).pgweir->target();
    return mode == Mode::Split ? target.with_database("split") : target;
}

Stage::Scene& Stage::scene(Mode mode) {
    Scene& scene = scenes_[static_cast<int>(mode)];
    if (!scene.pgweir) scene.pgweir = std::make_unique<PgweirProcess>(config(mode));
    if (mode == Mode::Moved && !scene.stirrer) {
        scene.stirrer = std::make_unique<Stirrer>(scene.pgweir->target());
    }
    return scene;
}

void Stage::set_tables_up(const Conversation& conversation) {
    if (conversation.has_tables) owner_->must(kTables);
}

Transcript Stage::play_directly(const Conversation& conversation) {
    set_tables_up(conversation);
    return oracle::play(conversation,
                        {.target = cluster_.target(), .observers = {cluster_.owner()}});
}

Transcript Stage::play(const Conversation& conversation, Mode mode) {
    set_tables_up(conversation);
    Scene& scene = this->scene(mode);
    Listener listener{.target = target(mode),
                      .is_bytewise = mode == Mode::Bytewise,
                      .observers = {cluster_.owner()}};
    if (mode == Mode::Split) {
        listener.observers.push_back(standby_.owner());
        if (conversation.has_two_clients()) listener.target.database = "strong";
    }
    if (scene.stirrer) listener.before_unit = [&scene] { scene.stirrer->stir(); };
    Transcript transcript = oracle::play(conversation, listener);
    if (conversation.stains) Connection(scene.pgweir->console()).must("RECONNECT");
    return transcript;
}

bool Stage::serves(Mode mode) {
    RawClient client(target(mode));
    client.login();
    client.ask(query("select 'the next client'"));
    return has_line(client.transcript(), "DataRow [the next client]");
}

void Stage::end() {
    for (Scene& scene : scenes_) {
        scene.stirrer.reset();
        scene.pgweir.reset();
    }
}

}  // namespace pgweir::integration::oracle
