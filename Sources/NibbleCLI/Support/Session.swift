internal import ArgumentParser
internal import Dispatch
internal import Foundation
internal import Nibble
internal import NibbleHub
internal import Synchronization

/// What surrounds a command: signals, errors and exit codes.
final class Session: Sendable {
    /// The instruction level that the kernels run at.
    let kernels: KernelLevel
    private let interrupted = Atomic<Bool>(false)

    /// The variables of the process.
    static var environment: [String: String] { ProcessInfo.processInfo.environment }

    var isInterrupted: Bool { interrupted.load(ordering: .relaxed) }
    var processorCount: Int { ProcessInfo.processInfo.activeProcessorCount }

    private init(kernels: KernelLevel) { self.kernels = kernels }

    /// Ends a command that was interrupted after it printed what it had, with exit code 130.
    func endIfInterrupted() throws { if isInterrupted { throw ExitCode(130) } }

    /// Runs a command's work; its errors become one line on standard error and an exit code:
    /// 1 for failures, 130 for an interrupt.
    static func run(_ work: (Session) throws -> Void) throws {
        do {
            let session = Session(
                kernels: try KernelLevel.selected(environment: environment))
            let sources = [SIGINT, SIGTERM, SIGHUP].map { session.watch($0) }
            defer { for source in sources { source.cancel() } }
            try work(session)
        } catch let error as CheckpointError {
            throw failure(error, isCancelled: error.code == .cancelled)
        } catch let error as TrainingError {
            throw failure(error, isCancelled: error.code == .cancelled)
        } catch let error as TextError {
            throw failure(error)
        } catch let error as HubError {
            throw failure(error, isCancelled: error.code == .cancelled)
        } catch let error as KernelLevelError {
            throw failure(error)
        } catch let error as EvaluationError {
            throw failure(error)
        }
    }

    /// Warnings on standard error, each once; `--quiet` silences progress, not these.
    func warn(_ warnings: [String]) {
        var seen: Set<String> = []
        for warning in warnings where seen.insert(warning).inserted {
            StandardError.write("warning: \(warning)\n")
        }
    }

    /// What the user should know of a checkpoint.
    func warn(_ notes: [CheckpointNote]) { warn(notes.map(\.description)) }

    /// Performs the last write of a command; its error becomes a line and an exit code, as in ``run(_:)``.
    static func report(_ write: () throws(CheckpointError) -> Void) -> ExitCode? {
        do throws(CheckpointError) {
            try write()
            return nil
        } catch {
            return failure(error)
        }
    }

    private static func failure(_ error: some Error, isCancelled: Bool = false) -> ExitCode {
        StandardError.write("nibble: \(error)\n")
        return ExitCode(isCancelled ? 130 : 1)
    }

    /// Turns the first signal into a request to stop; a second one ends the process at once.
    private func watch(_ number: Int32) -> any DispatchSourceSignal {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler { [self] in
            interrupted.store(true, ordering: .relaxed)
            signal(number, SIG_DFL)
        }
        source.resume()
        return source
    }
}
