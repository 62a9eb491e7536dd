// SPDX-License-Identifier: PostgreSQL
// The process: its workers and their threads, who gets which client, signals, reload and shutdown.
// The first worker runs on the thread that calls run(), together with all of this.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "io/config_files.h"
#include "io/http_server.h"
#include "io/listener.h"
#include "io/log_sink.h"
#include "io/service_manager.h"
#include "io/worker.h"

namespace pgweir::io {

// What the core of one worker is made from.
struct CoreParts {
    WorkerIndex worker = 0;
    WorkerIndex workers = 1;
    std::shared_ptr<const config::Settings> settings;
};

struct ProcessParts {
    const ConfigFiles& files;
    LoadedConfiguration configuration;
    LogSink& log;
    const ServiceManager& services;
    WorkerIndex workers = 1;
    std::function<std::unique_ptr<Core>(const CoreParts&)> make_core;
};

class Process final : WorkerHost, HttpOwner {
 public:
    explicit Process(ProcessParts parts);
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    // Binds the addresses that clients connect to. Throws config::ConfigError.
    void bind();
    std::vector<std::string> addresses() const { return listener_.addresses(); }
    std::vector<std::string> http_addresses() const {
        return http_ != nullptr ? http_->addresses() : std::vector<std::string>();
    }
    // Serves until a shutdown is over. `ready` is called once everything runs.
    void run(const std::function<void()>& ready);

 private:
    struct Asked {
        WorkerIndex worker = 0;
        AskProcess what;
    };
    struct WorkerStopped {
        WorkerIndex worker = 0;
    };
    using Letter = std::variant<Asked, WorkerStopped>;
    struct Thread {
        std::unique_ptr<Loop> loop;
        std::unique_ptr<Worker> worker;
        std::thread thread = {};
    };
    struct ReloadWork;

    void post(WorkerIndex to, Posted letter) override;
    void ask(WorkerIndex from, AskProcess request) override;
    void answer(AnswerHttp answer) override;
    void on_worker_stopped(WorkerIndex worker) override;
    void on_http(HttpRequested request) override;

    void on_letter(Letter letter);
    void start_threads();
    void watch_signals();
    void on_signal(int number);
    void accept(UniqueFd socket, ClientAddress address);

    void reload();
    void reloaded(ReloadWork& work);
    void apply(LoadedConfiguration configuration, std::vector<std::string>& notices);
    void answer_reload(const std::vector<Asked>& askers, const std::string& failure,
                       const std::vector<std::string>& notices);
    void shut_down(ShutdownMode mode);

    const ConfigFiles& files_;
    LoadedConfiguration configuration_;
    LogSink& log_;
    const ServiceManager& services_;

    // The first is this thread's.
    std::vector<Thread> threads_;
    WorkerIndex stopped_count_ = 0;
    Mailbox<Letter> mailbox_;
    Listener listener_;
    std::unique_ptr<HttpServer> http_;  // Null: it is not wanted.
    std::vector<Handle<uv_signal_t>> signals_;

    bool is_shutting_down_ = false;
    bool is_reloading_ = false;
    bool must_reload_again_ = false;
    std::vector<Asked> reload_askers_;
};

}  // namespace pgweir::io
