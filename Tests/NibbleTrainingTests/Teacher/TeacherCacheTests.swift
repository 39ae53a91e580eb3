import Foundation
import NibbleCheckpoint
import NibbleModel
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("The cache of a teacher", .serialized)
struct TeacherCacheTests {
    /// Sequences of 64 tokens: 16 are computed together.
    static let sequenceCount = 37

    static func identity(_ change: (inout TeacherCacheIdentity) -> Void = { _ in }) -> TeacherCacheIdentity {
        var identity = TeacherCacheIdentity(
            teacherDigest: "t1", textDigest: "x1", temperature: 1.5, top: 20, vocabularySize: 448,
            sequenceLength: 64, sequenceCount: sequenceCount, seed: 7)
        change(&identity)
        return identity
    }

    static func teacher(threads: Int = 2) throws -> LanguageModel {
        try LanguageModel(
            ModelCheckpoint(path: Fixtures.path("hub-logits/gemma3-window")),
            compute: Compute(threads: threads, precision: .f32))
    }

    static func sequence(_ index: Int) -> [Int32] {
        var generator = SeededGenerator(seed: UInt64(index))
        return (0..<64).map { _ in Int32.random(in: 0..<448, using: &generator) }
    }

    @discardableResult
    static func build(
        _ path: String, threads: Int = 2, streamBytes: Int? = 1, progress: (Int) -> Void = { _ in },
        isCancelled: () -> Bool = { false }
    ) throws -> TeacherCache {
        try TeacherCacheBuilder(
            try teacher(threads: threads), identity: identity(), streamBytes: streamBytes
        ).open(
            path: path, sequence: sequence, progress: progress, isCancelled: isCancelled)
    }

    /// A cache that was never interrupted, of which all sequences passed through a block together; elsewhere 16 do.
    static let whole = Result {
        let folder = try TemporaryFolder()
        try build(folder.file("cache"), streamBytes: nil)
        return try contents(folder.file("cache"))
    }

    @Test("holds the largest probabilities of every token, in F16, and the mass of the rest")
    func values() throws {
        let folder = try TemporaryFolder()
        let cache = try Self.build(folder.file("cache"))
        let teacher = try Self.teacher()
        for block in [0, 15, 16, 36] {
            let found = try cache.probabilities(block: block)
            for position in [0, 31, 63] {
                let logits = try teacher.logits(of: Self.sequence(block), position: position)
                let scaled = logits.map { exp(Double($0) / 1.5) }
                let sum = scaled.reduce(0, +)
                let order = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }.prefix(20)
                let entries = position * 20..<(position + 1) * 20
                #expect(Set(found.ids[entries].map(Int.init)) == Set(order))
                for (id, p) in zip(found.ids[entries], found.probabilities[entries]) {
                    // F16 has 11 bits, and no steps below 2⁻²⁴; logits are Float.
                    #expect(abs(Double(p) - scaled[Int(id)] / sum) <= 0x1p-11 * Double(p) + 0x1p-25)
                }
                let rest = order.reduce(1.0) { $0 - scaled[$1] / sum }
                #expect(abs(Double(found.tails[position]) - rest) <= 1e-5)
            }
        }
    }

    @Test("has the same bytes on any number of threads", arguments: [1, 3])
    func threads(count: Int) throws {
        let folder = try TemporaryFolder()
        var steps: [Int] = []
        try Self.build(folder.file("cache"), threads: count) { steps.append($0) }
        #expect(try contents(folder.file("cache")) == Self.whole.get())
        #expect(steps == steps.sorted() && steps.first == 0 && steps.last == 37)
        #expect(Set([16, 32]).isSubset(of: steps))
        #expect(try Self.whole.get().count > Self.identity().byteCount)
        #expect(try folder.names == ["cache", "cache.lock"])
    }

    @Test("is not computed again where it is there")
    func kept() throws {
        let folder = try TemporaryFolder()
        try Self.build(folder.file("cache"))
        try Self.build(folder.file("cache")) { _ in Issue.record("computed again") }
    }

    @Test("goes on where the caller stopped it, to the same bytes")
    func cancelled() throws {
        let folder = try TemporaryFolder()
        var done = 0
        let error = #expect(throws: TrainingError.self) {
            try Self.build(folder.file("cache"), progress: { done = $0 }, isCancelled: { done >= 32 })
        }
        #expect(error?.code == .cancelled)
        #expect(error?.description.contains("after 32 of 37 sequences") == true)
        #expect(try folder.names == ["cache.lock", "cache.part"])
        var steps: [Int] = []
        try Self.build(folder.file("cache")) { steps.append($0) }
        #expect(steps.first == 32 && steps.last == 37)
        #expect(try contents(folder.file("cache")) == Self.whole.get())
    }

    @Test("goes on after a kill, to the same bytes", arguments: [16, 32, 37])
    func killed(after count: Int) async throws {
        let folder = try TemporaryFolder()
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = folder.file("cache") as String, count = count as Int] in
            try TeacherCacheTests.build(path) { if $0 == count { kill(getpid(), SIGKILL) } }
        }
        #expect(try folder.names.contains("cache.part"))
        try Self.build(folder.file("cache"))
        #expect(try contents(folder.file("cache")) == Self.whole.get())
    }

    @Test(
        "goes on after any cut, and after bytes that are not what was written",
        arguments: [0, 5, 40, 700, 9_000])
    func cut(at end: Int) throws {
        let whole = try Self.whole.get()
        for damage in [nil, end / 2] {
            let folder = try TemporaryFolder()
            // The header has some 300 bytes: damage there is an error, see below.
            var bytes = Array(whole[..<(end * 30 + min(end, 100))])
            if let damage, bytes.count > 1_000 { bytes[max(damage, 900)] ^= 1 }
            try folder.write(bytes, to: "cache.part")
            try Self.build(folder.file("cache"))
            #expect(try contents(folder.file("cache")) == whole)
        }
    }

    static let changes: [(name: String, change: @Sendable (inout TeacherCacheIdentity) -> Void)] = [
        ("teacher", { $0.teacherDigest = "t2" }), ("text", { $0.textDigest = "x2" }),
        ("temperature", { $0.temperature = 1 }), ("top", { $0.top = 21 }),
        ("vocabulary", { $0.vocabularySize = 449 }), ("sequence_length", { $0.sequenceLength = 32 }),
        ("seed", { $0.seed = nil }), ("blocks", { $0.sequenceCount = 36 }),
    ]

    @Test("of something else is an error that names what differs", arguments: changes.map(\.name))
    func mismatch(name: String) throws {
        let change = try #require(Self.changes.first { $0.name == name }).change
        let folder = try TemporaryFolder()
        let path = try folder.write(try Self.whole.get(), to: "cache")
        let error = #expect(throws: CheckpointError.self) {
            try TeacherCache(path: path, expecting: Self.identity(change))
        }
        #expect(error?.code == .inconsistent)
        #expect(error?.path == path)
        let article = name == "blocks" ? "other" : "another"
        #expect(
            error?.problem.hasPrefix("was made for \(article) \(name) (") == true, "\(error?.problem ?? "")")
        #expect(error?.problem.contains(" and ") == false)
        // The same of one that was begun.
        try folder.write(try Self.whole.get().prefix(2_000), to: "begun.part")
        let begun = #expect(throws: CheckpointError.self) {
            try TeacherCacheBuilder(Self.teacher(), identity: Self.identity { $0.textDigest = "x2" }).open(
                path: folder.file("begun"), sequence: Self.sequence)
        }
        #expect(begun?.code == .inconsistent && begun?.problem.contains("another text") == true)
    }

    @Test("that is damaged is an error that says where")
    func damaged() throws {
        let folder = try TemporaryFolder()
        let whole = try Self.whole.get()
        func error(_ bytes: some Sequence<UInt8>, block: Int = 36) throws -> CheckpointError {
            let path = try folder.write(bytes, to: "cache")
            let error = #expect(throws: CheckpointError.self) {
                _ = try TeacherCache(path: path, expecting: Self.identity()).probabilities(block: block)
            }
            return try #require(error)
        }
        #expect(try error(whole.dropLast()).code == .truncated)
        #expect(try error(whole + [0]).code == .truncated)
        #expect(try error(whole.prefix(7)).code == .truncated)
        #expect(try error(whole.prefix(100)).code == .truncated)
        var bytes = whole
        bytes[0] ^= 1
        #expect(try error(bytes).code == .malformed)
        bytes = whole
        bytes[8] = 9
        #expect(try error(bytes).code == .unsupported)
        bytes = whole
        bytes[whole.count - 20] ^= 1
        let last = try error(bytes)
        #expect(last.code == .malformed && last.problem == "block 36 is damaged")
        #expect(last.offset == whole.count - Self.identity().byteCount / Self.sequenceCount)
        let cache = try TeacherCache(path: folder.file("cache"), expecting: Self.identity())
        #expect(try cache.probabilities(block: 35).count == 64)
    }

    @Test("with all of the vocabulary gives a pass the loss and gradients of the live teacher, but for F16")
    func pass() throws {
        let fixture = try #require(GradientFixtures.all.first { $0.name == "gemma3-window" })
        let sample = try HiddenLossTests.Sample(fixture)
        let identity = Self.identity {
            ($0.top, $0.sequenceCount, $0.temperature) = (448, 2, 1)
        }
        let folder = try TemporaryFolder()
        let cache = try TeacherCacheBuilder(sample.teacher, identity: identity).open(
            path: folder.file("cache"), sequence: { sample.sequences[$0] })
        var probabilities = try cache.probabilities(block: 0)
        probabilities.append(try cache.probabilities(block: 1))
        for crossEntropy: Float in [0, 0.4] {
            var loss = DistillationLoss()
            loss.crossEntropy = crossEntropy
            let (live, expected) = try sample.run(loss, recomputes: false)
            let gradients = Gradients(compute: sample.student.compute)
            let result = try DistillationPass(teacher: sample.teacher, student: sample.student, loss: loss)
                .run(sample.sequences, cached: probabilities, into: gradients)
            #expect(result.tokens == live.tokens)
            // F16 rounds each probability by 2⁻¹² of it at most, and the loss is the difference of large terms.
            #expect(abs(result.loss - live.loss) <= 1e-3 * live.loss, "\(result.loss) for \(live.loss)")
            for (weight, expected) in zip(sample.weights, expected) {
                let found = Array(try #require(gradients[weight.parameter]))
                let largest = expected.reduce(0) { max($0, abs($1)) }
                let difference = zip(found, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
                #expect(difference <= 5e-3 * largest, "\(difference / largest)")
            }
        }
    }
}
