/// The time that a chat template may write: Llama 3.1's names the day.
public struct ChatDate: Sendable, Equatable {
    /// The year.
    public var year: Int
    /// 1 to 12.
    public var month: Int
    /// 1 to 31.
    public var day: Int
    /// 0 to 23.
    public var hour: Int
    /// 0 to 59.
    public var minute: Int
    /// 0 to 60.
    public var second: Int

    /// Creates a time.
    public init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        precondition((1...12).contains(month) && (1...31).contains(day), "month \(month), day \(day)")
        (self.year, self.month, self.day) = (year, month, day)
        (self.hour, self.minute, self.second) = (hour, minute, second)
    }

    /// The day that Llama 3.1's template takes where it is told none: for measurements, which must not depend on the day.
    public static let ofTemplates = ChatDate(year: 2024, month: 7, day: 26)

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December",
    ]
    private static let weekdays = [
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    ]

    /// 0 for Sunday, by Sakamoto's method.
    private var weekday: Int {
        let shifts = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4]
        let year = month < 3 ? year - 1 : year
        return (year + year / 4 - year / 100 + year / 400 + shifts[month - 1] + day) % 7
    }

    /// The time in a format of C's `strftime`.
    func formatted(_ format: String) throws(JinjaError) -> String {
        func two(_ value: Int) -> String { (value < 10 ? "0" : "") + String(value) }
        var text = ""
        var scalars = format.unicodeScalars.makeIterator()
        while let scalar = scalars.next() {
            guard scalar == "%" else {
                text.unicodeScalars.append(scalar)
                continue
            }
            var field = scalars.next()
            let isPadded = field != "-"
            if !isPadded { field = scalars.next() }
            func number(_ value: Int) -> String { isPadded ? two(value) : String(value) }
            switch field {
            case "Y": text += String(year)
            case "y": text += two(year % 100)
            case "m": text += number(month)
            case "d": text += number(day)
            case "H": text += number(hour)
            case "I": text += number((hour + 11) % 12 + 1)
            case "M": text += number(minute)
            case "S": text += number(second)
            case "p": text += hour < 12 ? "AM" : "PM"
            case "B": text += Self.months[month - 1]
            case "b": text += Self.months[month - 1].prefix(3)
            case "A": text += Self.weekdays[weekday]
            case "a": text += Self.weekdays[weekday].prefix(3)
            case "F": text += "\(year)-\(two(month))-\(two(day))"
            case "T": text += "\(two(hour)):\(two(minute)):\(two(second))"
            case "%": text += "%"
            default: throw JinjaError("strftime_now: '%\(field.map(String.init) ?? "")' is not supported")
            }
        }
        return text
    }
}
