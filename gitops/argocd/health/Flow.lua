-- Health of a Flow for Argo CD: Healthy when runs can be made of it.
local hs = {status = "Progressing", message = "Waiting for Penstock's operator"}
if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "Deleting"
  return hs
end
local st = obj.status
if st == nil or st.conditions == nil or st.observedGeneration ~= obj.metadata.generation then
  return hs
end
for _, c in ipairs(st.conditions) do
  if c.type == "Stalled" and c.status == "True" then
    return {status = "Degraded", message = c.message}
  end
end
for _, c in ipairs(st.conditions) do
  if c.type == "Ready" then
    hs.message = c.message
    if c.status == "True" then
      hs.status = "Healthy"
      hs.message = "Runs can be made of it"
    end
  end
end
return hs
