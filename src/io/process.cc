// SPDX-License-Identifier: PostgreSQL
#include "io/process.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <latch>
#include <utility>

#include "pgweir/admin/http_api.h"
#include "pgweir/base/assert.h"

namespace pgweir::io {

struct Process::ReloadWork {
    uv_work_t request{};
    Process* process = nullptr;
    std::vector<Asked> askers;
    LoadedConfiguration configuration;
    std::string failure;
};

Process::Process(ProcessParts parts)
    : files_(parts.files),
      configuration_(std::move(parts.configuration)),
      log_(parts.log),
      services_(parts.services),
      threads_([&] {
          std::vector<Thread> threads(parts.workers);
          for (Thread& thread : threads) thread.loop = std::make_unique<Loop>();
          return threads;
      }()),
      mailbox_(threads_.front().loop->get(),
               [this](Letter letter) { on_letter(std::move(letter)); }),
      listener_(threads_.front().loop->get(), log_, [this](UniqueFd socket, ClientAddress address) {
          accept(std::move(socket), std::move(address));
      }) {
    for (WorkerIndex i = 0; i < threads_.size(); ++i) {
        threads_[i].worker = std::make_unique<Worker>(
            WorkerParts{.index = i,
                        .loop = *threads_[i].loop,
                        .host = *this,
                        .log = log_,
                        .settings = configuration_.settings,
                        .tls = configuration_.tls,
                        .core = parts.make_core({i, parts.workers, configuration_.settings})});
    }
}

Process::~Process() {
    listener_.stop();
    http_.reset();
    mailbox_.close();
    for (Thread& thread : threads_) thread.worker.reset();
}

void Process::bind() {
    const config::Settings& settings = *configuration_.settings;
    listener_.bind(settings);
    if (settings.http.listen().empty()) return;
    HttpOwner& owner = *this;
    http_ = std::make_unique<HttpServer>(threads_.front().loop->get(), log_, owner);
    http_->bind(settings);
}

void Process::run(const std::function<void()>& ready) {
    watch_signals();
    start_threads();
    listener_.start();
    if (http_ != nullptr) http_->start();
    services_.ready();
    ready();
    threads_.front().loop->run();
    signals_.clear();
    for (Thread& thread : threads_) {
        if (thread.thread.joinable()) thread.thread.join();
    }
}

// All signals go to the thread that watches them.
void Process::start_threads() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::latch running(static_cast<std::ptrdiff_t>(threads_.size() - 1));
    for (std::size_t i = 1; i < threads_.size(); ++i) {
        Loop& loop = *threads_[i].loop;
        threads_[i].thread = std::thread([&loop, &running] {
            running.count_down();
            loop.run();
        });
    }
    running.wait();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Process::watch_signals() {
    ::signal(SIGPIPE, SIG_IGN);
    for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) {
        signals_.push_back(make_handle<uv_signal_t>(this, [&](uv_signal_t* handle) {
            uv_signal_init(threads_.front().loop->get(), handle);
        }));
        uv_signal_start(
            signals_.back().get(),
            [](uv_signal_t* handle, int caught) {
                static_cast<Process*>(handle->data)->on_signal(caught);
            },
            number);
    }
}

void Process::on_signal(int number) {
    if (number == SIGHUP) return reload();
    log_.write(LogLevel::Info, std::string("got ") + strsignal(number));
    const bool is_gentle = number != SIGQUIT && !is_shutting_down_;
    shut_down(is_gentle ? ShutdownMode::Drain : ShutdownMode::Now);
}

void Process::accept(UniqueFd socket, ClientAddress address) {
    const auto least =
        std::min_element(threads_.begin(), threads_.end(), [](const Thread& a, const Thread& b) {
            return a.worker->client_count() < b.worker->client_count();
        });
    least->worker->promise_client();
    NewClient client{std::move(socket), std::move(address)};
    if (least == threads_.begin()) return least->worker->open_client(std::move(client));
    least->worker->put(std::move(client));
}

void Process::post(WorkerIndex to, Posted letter) {
    PGWEIR_ASSERT(to < threads_.size());
    threads_[to].worker->put(std::move(letter));
}

void Process::ask(WorkerIndex from, AskProcess request) {
    mailbox_.put(Asked{from, request});
}

void Process::answer(AnswerHttp answer) {
    if (http_ != nullptr) http_->answer(std::move(answer));
}

// To the first worker: it lives on this thread.
void Process::on_http(HttpRequested request) {
    const HttpRequestId id = request.id;
    if (!threads_.front().worker->ask_http(std::move(request))) {
        http_->answer({id, admin::http_stopping()});
    }
}

void Process::on_worker_stopped(WorkerIndex worker) {
    if (worker != 0) threads_[worker].loop->stop();
    mailbox_.put(WorkerStopped{worker});
}

void Process::on_letter(Letter letter) {
    if (std::holds_alternative<WorkerStopped>(letter)) {
        if (++stopped_count_ == threads_.size()) threads_.front().loop->stop();
        return;
    }
    const Asked& asked = std::get<Asked>(letter);
    switch (asked.what.request) {
        case ProcessRequest::Reload:
            reload_askers_.push_back(asked);
            return reload();
        case ProcessRequest::Shutdown:
            return shut_down(ShutdownMode::Drain);
        case ProcessRequest::ShutdownNow:
            return shut_down(ShutdownMode::Now);
    }
}

void Process::shut_down(ShutdownMode mode) {
    if (!is_shutting_down_) {
        is_shutting_down_ = true;
        services_.stopping();
        // Whoever comes now should go elsewhere at once.
        listener_.stop();
    }
    for (Thread& thread : threads_) thread.worker->put(ShutdownRequested{mode});
}

// Files are read beside the loop: keys and long lists of users take their time.
void Process::reload() {
    if (is_reloading_) {
        must_reload_again_ = true;
        return;
    }
    is_reloading_ = true;
    services_.reloading();
    auto* work = new ReloadWork;
    work->process = this;
    work->askers = std::exchange(reload_askers_, {});
    work->request.data = work;
    const auto read = [](uv_work_t* request) {
        auto& self = *static_cast<ReloadWork*>(request->data);
        try {
            self.configuration = self.process->files_.load();
        } catch (const config::ConfigError& error) {
            self.failure = error.what();
        }
    };
    const auto done = [](uv_work_t* request, int) {
        const std::unique_ptr<ReloadWork> owned(static_cast<ReloadWork*>(request->data));
        owned->process->reloaded(*owned);
    };
    PGWEIR_ASSERT(uv_queue_work(threads_.front().loop->get(), &work->request, read, done) == 0);
}

void Process::reloaded(ReloadWork& work) {
    is_reloading_ = false;
    std::vector<std::string> notices;
    if (work.failure.empty()) {
        apply(std::move(work.configuration), notices);
        log_.write(LogLevel::Info, "the configuration was reloaded");
        for (const std::string& notice : notices) log_.write(LogLevel::Warning, notice);
    } else {
        log_.write(LogLevel::Error, "the configuration stays as it was: " + work.failure);
    }
    answer_reload(work.askers, work.failure, notices);
    services_.ready();
    if (std::exchange(must_reload_again_, false)) reload();
}

void Process::apply(LoadedConfiguration configuration, std::vector<std::string>& notices) {
    const config::Settings& wanted = *configuration.settings;
    for (const std::string& name : restart_differences(*configuration_.settings, wanted)) {
        notices.push_back(name + " has changed in the file, but takes a restart");
    }
    notices.insert(notices.end(), configuration.warnings.begin(), configuration.warnings.end());
    const std::string failure =
        log_.direct({.file = wanted.general.log_file(), .level = wanted.general.log_level()});
    if (!failure.empty()) notices.push_back(failure);
    listener_.set_options(wanted.tcp);
    if (http_ != nullptr) http_->set_options(wanted.http);
    for (Thread& thread : threads_) {
        thread.worker->put(NewSettings{configuration.settings, configuration.tls});
    }
    configuration_ = std::move(configuration);
}

void Process::answer_reload(const std::vector<Asked>& askers, const std::string& failure,
                            const std::vector<std::string>& notices) {
    for (const Asked& asker : askers) {
        threads_[asker.worker].worker->put(ReloadFinished{asker.what.client, failure, notices});
    }
}

}  // namespace pgweir::io
