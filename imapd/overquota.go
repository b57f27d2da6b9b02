package imapd

import (
	"errors"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// overQuota is what somebody is told who meets a limit: its key and value, then the administrator's words.
func overQuota(e *maildir.QuotaError) string {
	text := "O" + e.Error()[1:]
	if e.Text != "" {
		text += ". " + e.Text
	}
	return text
}

// warnOverQuota tells of mail that was taken beyond a limit: OVERQUOTA in an untagged NO (RFC 9208 §4.3.1).
func warnOverQuota(w *responder, h *maildir.Handle) {
	if e := h.QuotaExceeded(); e != nil {
		w.untaggedStatus("NO", string(imap.ResponseCodeOverQuota), overQuota(e))
	}
}

// quotaRefusal is the answer to mail beyond a limit (RFC 5530 §3 OVERQUOTA); nil for other errors.
func quotaRefusal(err error) *statusError {
	var e *maildir.QuotaError
	if !errors.As(err, &e) {
		return nil
	}
	return &statusError{statusNO, string(imap.ResponseCodeOverQuota), overQuota(e), err}
}
