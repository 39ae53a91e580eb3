internal import Foundation
internal import Nibble

extension ChatDate {
    /// The local time.
    static var now: ChatDate {
        let now = Calendar(identifier: .gregorian).dateComponents(
            [.year, .month, .day, .hour, .minute, .second], from: Date())
        return ChatDate(
            year: now.year ?? 1970, month: now.month ?? 1, day: now.day ?? 1, hour: now.hour ?? 0,
            minute: now.minute ?? 0, second: now.second ?? 0)
    }
}
