// Texts as the log can hold them. UTF-8 has no lone surrogates: they are stored as U+FFFD, and whatever is worked out from a
// message (tag hash, index keys) must be worked out from what is stored, or a rebuild from the log would not agree.

import type { MessageToPut } from '../model/message.ts';

/** The message itself, unless its properties are no well-formed text. */
export function wellFormed(message: MessageToPut): MessageToPut {
  if (message.properties.isWellFormed()) return message;
  return { ...message, properties: message.properties.toWellFormed() };
}

export function allWellFormed(messages: readonly MessageToPut[]): readonly MessageToPut[] {
  return messages.every(({ properties }) => properties.isWellFormed()) ? messages : messages.map(wellFormed);
}
