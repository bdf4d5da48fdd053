// Command go-pem lets tests ask Go which blocks and certificates it reads of a PEM file. It is
// never shipped.
//
// It reads lines {"file": BASE64}. For each it prints {"blocks": [...], "certificates": [BASE64,
// ...]}: what encoding/pem decodes of the file, one block after the other, and which of them
// x509.CertPool.AppendCertsFromPEM takes.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

type question struct {
	File []byte `json:"file"`
}

type block struct {
	Label   []byte `json:"label"`
	Headers bool   `json:"headers"`
	Content []byte `json:"content"`
}

type answer struct {
	Blocks       []block  `json:"blocks"`
	Certificates [][]byte `json:"certificates"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "go-pem:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	asked, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	for {
		var question question
		if err := asked.Decode(&question); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := answers.Encode(read(question.File)); err != nil {
			return err
		}
	}
}

func read(file []byte) answer {
	reply := answer{Blocks: []block{}, Certificates: [][]byte{}}
	for len(file) > 0 {
		var found *pem.Block
		found, file = pem.Decode(file)
		if found == nil {
			break
		}
		headers := len(found.Headers) > 0
		reply.Blocks = append(reply.Blocks, block{[]byte(found.Type), headers, found.Bytes})
		if found.Type != "CERTIFICATE" || headers {
			continue
		}
		if _, err := x509.ParseCertificate(found.Bytes); err == nil {
			reply.Certificates = append(reply.Certificates, found.Bytes)
		}
	}
	return reply
}
