import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Log of a run")
struct RunLogTests {
    @Test("has one line an event, and goes on where it ended")
    func lines() throws {
        let folder = try TemporaryFolder()
        let time = UTCTime(seconds: 1_795_545_457, nanoseconds: 125_999_999)
        try RunLog(path: folder.file("log.txt")).write("started", at: time)
        try RunLog(path: folder.file("log.txt")).write("two\nlines\r\né", at: UTCTime(seconds: 0))
        #expect(
            String(decoding: try contents(folder.file("log.txt")), as: UTF8.self) == """
                2026-11-24T18:37:37.125Z started
                1970-01-01T00:00:00.000Z two\\nlines\\r\\né

                """)
    }

    @Test(
        "writes times in ISO 8601",
        arguments: [
            (951_782_400, "2000-02-29T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.000Z"),
            (4_102_444_799, "2099-12-31T23:59:59.000Z"),
        ])
    func times(seconds: Int, expected: String) {
        #expect(UTCTime(seconds: seconds).iso8601 == expected)
    }

    @Test("takes its times from the clock")
    func now() {
        let (first, second) = (UTCTime.now, UTCTime.now)
        #expect(first.interval > 1.7e9 && second.interval >= first.interval)
    }
}
