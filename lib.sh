mkr () 
{ 
    cat <<Y |
apiVersion: penstock.dev/v1alpha1
kind: FlowRun
metadata: {name: $2}
spec:
  flowSpec: {entrypoint: "f.py:f", source: {inline: "import time\nfrom penstock import flow\n@flow\ndef f():\n    time.sleep(${4:-0})\n    return 1\n"}}
  ${3:-}
Y
  kubectl -n $1 create -f -
}
