internal import CLibrary

/// A moment of the system's clock, in UTC.
struct UTCTime: Sendable, Equatable {
    /// Whole seconds since 1970.
    var seconds: Int
    /// Nanoseconds beyond, 0 ..< 1 000 000 000.
    var nanoseconds = 0

    /// Now.
    static var now: UTCTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UTCTime(seconds: Int(time.tv_sec), nanoseconds: Int(time.tv_nsec))
    }

    /// Seconds since 1970 with their fraction, good to a microsecond.
    var interval: Double { Double(seconds) + Double(nanoseconds) * 1e-9 }

    /// ISO 8601 with milliseconds, cut rather than rounded: `2026-11-24T18:37:37.125Z`.
    var iso8601: String {
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        let date = [Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday)]
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { Decimals.padded($0, to: 2) }
        return Decimals.padded(date[0], to: 4) + "-" + Decimals.padded(date[1], to: 2) + "-"
            + Decimals.padded(date[2], to: 2) + "T" + clock.joined(separator: ":") + "."
            + Decimals.padded(nanoseconds / 1_000_000, to: 3) + "Z"
    }
}
