-- Health of a FlowRun for Argo CD: Healthy only when it has completed, Degraded when it ended otherwise, Suspended while it waits for a person.
local hs = {status = "Progressing", message = "Waiting for Penstock's operator"}
if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "Deleting"
  return hs
end
local st = obj.status
if st == nil or st.state == nil then
  return hs
end
hs.message = st.state.name
if st.state.message ~= nil and st.state.message ~= "" then
  hs.message = st.state.name .. ": " .. st.state.message
end
-- A final state never changes, whatever generation it was written for.
local final = {Completed = "Healthy", Failed = "Degraded", Crashed = "Degraded", Cancelled = "Degraded"}
if final[st.state.type] ~= nil then
  hs.status = final[st.state.type]
  return hs
end
if st.state.type == "Paused" and st.observedGeneration == obj.metadata.generation then
  hs.status = "Suspended"
end
return hs
